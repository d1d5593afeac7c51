import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer } from '../../api/server.ts';
import { rows } from '../../db/knex.ts';
import { signatureOf } from 'stripe-emulator';
import { asOwner } from '../factories.ts';
import { startProxy } from '../setup/proxy.ts';
import { until } from '../setup/system.ts';
import { type Held, type Payments, startPayments } from './payment-kit.ts';
import { timely } from '../security/run.ts';

const oldSecret = 'whsec_old_one';

describe('the webhook', () => {
  let payments: Payments;
  let secret: string;
  beforeAll(async () => {
    payments = await startPayments({ settings: { STRIPE_WEBHOOK_SECRET: `whsec_emulator,${oldSecret}` } });
    secret = 'whsec_emulator';
  });
  afterAll(() => payments.stop());

  const nowSeconds = () => Math.floor(Date.now() / 1000);

  /** An event of a type that is ignored, as text. */
  const quietEvent = () =>
    JSON.stringify({
      id: `evt_${randomUUID()}`,
      object: 'event',
      type: 'payment_intent.created',
      livemode: false,
      data: { object: { id: 'pi_any' } },
    });

  function post(payload: string, signature: string, headers: Record<string, string> = {}) {
    return payments.call('POST', '/api/stripe-webhook/', {
      body: payload,
      headers: { 'Stripe-Signature': signature, ...headers },
    });
  }

  const remembered = async (eventId: string) =>
    (await rows(payments.db, 'select 1 from stripe_events where id = ?', [eventId])).length;

  async function paidQuietly(): Promise<Held & { intentId: string }> {
    await payments.control.setWebhookBehaviour({ paused: true });
    const held = await payments.holdToPay();
    await payments.control.pay(held.intentId);
    return held;
  }

  const succeededEvent = (intentId: string, eventId = `evt_${randomUUID()}`) => ({
    type: 'payment_intent.succeeded',
    object: intentId,
    event: { id: eventId },
  });

  test('ST-01 a body that differs by one byte from what was signed is refused and leaves nothing', async () => {
    const { intentId, id } = await paidQuietly();
    const eventId = `evt_${randomUUID()}`;
    const payload = JSON.stringify({
      id: eventId,
      object: 'event',
      type: 'payment_intent.succeeded',
      livemode: false,
      data: { object: await payments.snapshot(intentId) },
    });
    const signature = signatureOf(payload, secret, nowSeconds());
    for (const changed of [
      payload.replace('4000', '4001'),
      `${payload} `,
      ` ${payload}`,
      `${payload}\n`,
      JSON.stringify(JSON.parse(payload), null, 1),
    ]) {
      const { status, body, headers } = await post(changed, signature);
      expect(status).toBe(400);
      expect(headers.get('content-type')).toContain('application/problem+json');
      expect(body.code).toBe('invalid_signature');
    }
    expect(await remembered(eventId)).toBe(0);
    expect((await payments.facts(id)).payment_status).toBe('pending');
    expect((await post(payload, signature)).status).toBe(200);
    await payments.untilStatus(id, 'confirmed');
  });

  test('ST-01 a signature that is missing, cut, of another scheme or of another secret is refused', async () => {
    const payload = quietEvent();
    const good = signatureOf(payload, secret, nowSeconds());
    const signatures = [
      '',
      'v1=abc',
      good.slice(0, -1),
      good.replace('v1=', 'v0='),
      `t=${nowSeconds()}`,
      'x'.repeat(5_000),
    ];
    for (const signature of [...signatures, signatureOf(payload, 'whsec_stranger', nowSeconds())]) {
      expect((await post(payload, signature)).body.code).toBe('invalid_signature');
    }
    expect((await post(payload, good)).status).toBe(200);
  });

  /** Delivers a success of each, signed, all at once. */
  async function deliverAtOnce(
    held: readonly { intentId: string }[],
    eventIdOf = () => `evt_${randomUUID()}`,
  ) {
    const payloads = await Promise.all(
      held.map(async ({ intentId }) =>
        JSON.stringify({
          id: eventIdOf(),
          object: 'event',
          type: 'payment_intent.succeeded',
          livemode: false,
          data: { object: await payments.snapshot(intentId) },
        }),
      ),
    );
    const answers = payloads.map((payload) => post(payload, signatureOf(payload, secret, nowSeconds())));
    return (await Promise.all(answers)).map(({ status }) => status);
  }

  test('a flood of payments is recorded together, and one that cannot be stored fails alone', async () => {
    const held = await Promise.all(Array.from({ length: 12 }, paidQuietly));
    const [unstorable, ...others] = held;
    let n = 0;
    // NUL is in no text of Postgres.
    const statuses = await deliverAtOnce(held, () => (n++ === 0 ? 'evt_\u0000' : `evt_${randomUUID()}`));
    expect(statuses).toEqual([400, ...others.map(() => 200)]);
    await Promise.all(others.map(({ id }) => payments.untilStatus(id, 'confirmed', 20_000)));
    expect((await payments.facts(unstorable?.id ?? 0)).payment_status).toBe('pending');
  });

  test('a payment whose booking somebody has locked keeps the others waiting no longer than a lock may', async () => {
    const held = await Promise.all(Array.from({ length: 8 }, paidQuietly));
    const [locked, ...others] = held;
    const statuses = await asOwner(payments.system, async (owner) => {
      await owner.query('begin');
      await owner.query('select 1 from bookings where id = $1 for update', [locked?.id]);
      const begun = Date.now();
      const answers = await deliverAtOnce(held);
      expect(Date.now() - begun).toBeLessThan(timely(6_000));
      await owner.query('rollback');
      return answers;
    });
    expect(statuses).toEqual([503, ...others.map(() => 200)]);
    expect(await deliverAtOnce(held.slice(0, 1))).toEqual([200]);
    await Promise.all(held.map(({ id }) => payments.untilStatus(id, 'confirmed', 20_000)));
  });

  test('ST-01 a signed payload that is no event is refused as invalid', async () => {
    for (const payload of ['{"id":', '[]', 'null', '{}', '{"id":"evt_1","type":"x","livemode":false}']) {
      const { status, body } = await post(payload, signatureOf(payload, secret, nowSeconds()));
      expect({ payload, status, code: body.code }).toEqual({ payload, status: 400, code: 'invalid_payload' });
    }
  });

  test('ST-11 a thin event of Stripe’s API v2 is ignored as any other type is, and only if it is signed', async () => {
    const payload = JSON.stringify({
      id: `evt_test_${randomUUID()}`,
      object: 'v2.core.event',
      type: 'v2.core.account_link.returned',
      livemode: false,
      created: new Date().toISOString(),
      related_object: { id: 'acct_1', type: 'v2.core.account', url: '/v2/core/accounts/acct_1' },
    });
    const answer = await post(payload, signatureOf(payload, secret, nowSeconds()));
    expect([answer.status, answer.body]).toEqual([200, { status: 'success' }]);
    const forged = await post(payload, signatureOf(payload, 'whsec_stranger', nowSeconds()));
    expect([forged.status, forged.body.code]).toEqual([400, 'invalid_signature']);
    const nameless = JSON.stringify({ object: 'v2.core.event' });
    const refused = await post(nameless, signatureOf(nameless, secret, nowSeconds()));
    expect([refused.status, refused.body.code]).toEqual([400, 'invalid_payload']);
  });

  test.each([
    ['301 s old', -302],
    ['301 s ahead', 302],
    ['ten years ahead', 10 * 365 * 86_400],
  ])('ST-02 a signature that is %s is refused', async (_, offsetSeconds) => {
    const payload = quietEvent();
    const { status, body } = await post(payload, signatureOf(payload, secret, nowSeconds() + offsetSeconds));
    expect([status, body.code]).toEqual([400, 'invalid_signature']);
  });

  test.each([-295, 295])('ST-02 a signature that is %i s off is taken', async (offsetSeconds) => {
    const payload = quietEvent();
    expect((await post(payload, signatureOf(payload, secret, nowSeconds() + offsetSeconds))).status).toBe(
      200,
    );
  });

  test('ST-03 a captured delivery that is replayed 100 times has one effect', async () => {
    const { intentId, id } = await paidQuietly();
    const [event] = (await payments.eventsOf([intentId])).filter(
      (one) => one.type === 'payment_intent.succeeded',
    );
    const payload = JSON.stringify(event);
    const signature = signatureOf(payload, secret, nowSeconds());
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async () => (await post(payload, signature)).status),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    await payments.untilStatus(id, 'confirmed');
    await payments.untilCarried();
    expect(await payments.moves(id)).toEqual(['pending', 'confirmed']);
    expect(await payments.refundsOf(id)).toEqual([]);
    expect(await remembered(event?.id ?? '')).toBe(1);
  });

  test('ST-04 an event id is remembered over a restart and for a month', async () => {
    const { intentId, id } = await paidQuietly();
    const made = succeededEvent(intentId);
    expect(await payments.control.deliverEvent(made)).toEqual({ status: 200 });
    await payments.untilStatus(id, 'confirmed');
    await payments.untilCarried();
    await rows(
      payments.db,
      "update stripe_events set received_at = received_at - interval '30 days' where id = ?",
      [made.event.id],
    );
    const restarted = await startServer(payments.system.config, pino({ level: 'silent' }));
    try {
      const url = `http://127.0.0.1:${restarted.port}/api/stripe-webhook/`;
      expect(await payments.control.deliverEvent({ ...made, url })).toEqual({ status: 200 });
      const left = await rows(payments.db, "select 1 from outbox where payload ->> 'intentId' = ?", [
        intentId,
      ]);
      expect(left).toEqual([]);
    } finally {
      await restarted.stop();
    }
    expect(await payments.moves(id)).toEqual(['pending', 'confirmed']);
  });

  test('ST-05 different events of one fact have one effect', async () => {
    const { intentId, id } = await paidQuietly();
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => payments.control.deliverEvent(succeededEvent(intentId))),
    );
    expect(replies).toEqual(Array.from({ length: 10 }, () => ({ status: 200 })));
    await payments.untilStatus(id, 'confirmed');
    await payments.untilCarried();
    expect(await payments.moves(id)).toEqual(['pending', 'confirmed']);
    expect(await payments.refundsOf(id)).toEqual([]);
    expect((await payments.ledgerOf(intentId)).refundedMinor).toBe(0);
  });

  test('ST-07 without its database it answers 503 within three seconds, and the redelivery succeeds', async () => {
    const { config } = payments.system;
    const database = new URL(config.database.url);
    const proxy = await startProxy(database.host);
    database.host = proxy.address;
    const server = await startServer(
      { ...config, database: { ...config.database, url: database.href } },
      pino({ level: 'silent' }),
    );
    try {
      const { intentId, id } = await paidQuietly();
      const made = {
        ...succeededEvent(intentId),
        url: `http://127.0.0.1:${server.port}/api/stripe-webhook/`,
      };
      proxy.set('refuse');
      const askedAt = Date.now();
      expect(await payments.control.deliverEvent(made)).toEqual({ status: 503 });
      expect(Date.now() - askedAt).toBeLessThan(timely(3_000));
      proxy.set('forward');
      await until('a redelivery is taken', async () => {
        const reply = await payments.control.deliverEvent(made);
        return 'status' in reply && reply.status === 200;
      });
      await payments.untilStatus(id, 'confirmed');
    } finally {
      await server.stop();
      await proxy.stop();
    }
  });

  test('ST-07 a database that closes every connection without a word is a 503 too', async () => {
    const closing = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
    const { config } = payments.system;
    const database = new URL(config.database.url);
    database.host = `127.0.0.1:${(closing.address() as AddressInfo).port}`;
    const server = await startServer(
      { ...config, database: { ...config.database, url: database.href } },
      pino({ level: 'silent' }),
    );
    try {
      const { id } = await payments.stripe.paymentIntents.create({ amount: 500, currency: 'usd' });
      const url = `http://127.0.0.1:${server.port}/api/stripe-webhook/`;
      expect(await payments.control.deliverEvent({ ...succeededEvent(id), url })).toEqual({ status: 503 });
    } finally {
      await server.stop();
      closing.close();
    }
  });

  test('ST-11 types that are none of ours, and payments of others, are taken without effect', async () => {
    const countRows = async () =>
      rows(payments.db, 'select (select count(*) from outbox) o, (select count(*) from flags) f');
    await payments.untilCarried();
    const before = await countRows();
    const foreign = await payments.stripe.paymentIntents.create({ amount: 500, currency: 'usd' });
    await payments.control.pay(foreign.id);
    for (const [type, object] of [
      ['customer.created', { id: 'cus_1', object: 'customer' }],
      ['payment_intent.created', foreign.id],
      ['something.new', { id: 'x' }],
      ['payment_intent.succeeded', foreign.id],
      [
        'payment_intent.succeeded',
        { ...(await payments.snapshot(foreign.id)), metadata: { booking_ref: '7' } },
      ],
      // More than a row of ours can hold, as in a currency of small units.
      ['payment_intent.succeeded', { ...(await payments.snapshot(foreign.id)), amount: 5_000_000_000 }],
      ['charge.refunded', { id: 'ch_1', object: 'charge', refunded: true, payment_intent: null }],
      ['charge.refunded', { id: 'ch_2', object: 'charge', refunded: true, payment_intent: foreign.id }],
    ] as const) {
      expect(await payments.control.deliverEvent({ type, object })).toEqual({ status: 200 });
    }
    expect(await countRows()).toEqual(before);
  });

  test('ST-11 money for a booking that is not here is flagged and retried, and settled once the booking is here', async () => {
    const ref = randomUUID();
    const { id: intentId } = await payments.stripe.paymentIntents.create({
      amount: 4_000,
      currency: 'usd',
      metadata: { booking_ref: ref },
    });
    await payments.control.pay(intentId);
    expect(await payments.control.deliverEvent(succeededEvent(intentId))).toEqual({ status: 200 });
    expect(await payments.flagsOn(intentId)).toEqual(['unknown_booking']);
    const orphan = () =>
      rows<{ attempts: number; last_error: string }>(
        payments.db,
        "select attempts, last_error from outbox where topic = 'orphan_payment' and payload ->> 'intentId' = ?",
        [intentId],
      );
    await until('a try', async () => (await orphan())[0]?.last_error);
    // A database that was restored to an earlier point gets its booking back.
    const held = await payments.hold();
    await rows(payments.db, 'update bookings set ref = ? where id = ?', [ref, held.id]);
    await payments.untilStatus(held.id, 'confirmed', 8_000);
    await until('the message is gone', async () => (await orphan()).length === 0);
  });

  test.each([
    ['an amount that is one less', { amount: 3_999, amount_received: 3_999 }],
    ['another currency', { currency: 'eur' }],
  ])(
    'ST-12 really paid with %s: not confirmed, flagged, given back, and the hold can still be paid',
    async (_, odd) => {
      const { intentId, id } = await paidQuietly();
      await payments.control.setPaymentIntent(intentId, odd);
      expect(await payments.control.deliverEvent(succeededEvent(intentId))).toEqual({ status: 200 });
      await until('the refund', async () => (await payments.refundsOf(id))[0]?.status === 'succeeded');
      expect(await payments.flagsOn(intentId)).toEqual(['payment_mismatch']);
      expect((await payments.refundsOf(id))[0]).toMatchObject({
        reason: 'mismatch',
        amount_minor: 'amount_received' in odd ? odd.amount_received : 4_000,
      });
      expect((await payments.facts(id)).status).toBe('pending');
      const second = await payments.openIntent(id);
      expect(second).not.toBe(intentId);
      await payments.control.pay(second);
      await payments.control.deliverEvent(succeededEvent(second));
      await payments.untilStatus(id, 'confirmed');
      expect(await payments.facts(id)).toMatchObject({ payment_status: 'succeeded' });
    },
  );

  test.each([
    ['amount', { amount_received: 1 }],
    ['currency', { currency: 'eur' }],
  ])(
    'ST-12 an event that only claims another %s is flagged, and Stripe’s own word decides',
    async (_, odd) => {
      const { intentId, id } = await paidQuietly();
      const object = { ...(await payments.snapshot(intentId)), ...odd };
      await payments.control.deliverEvent({ ...succeededEvent(intentId), object });
      await payments.untilStatus(id, 'confirmed');
      expect(await payments.flagsOn(intentId)).toEqual(['payment_mismatch']);
      expect(await payments.refundsOf(id)).toEqual([]);
    },
  );

  const strangerFlags = () =>
    rows<{ subject: string; occurrences: number; resolved: boolean }>(
      payments.db,
      `select subject, occurrences, resolved_at is not null as resolved from flags
        where subject like '/api/stripe-webhook/%' order by subject`,
    );

  test('ST-12 an endpoint of the other mode has one flag with a count, whatever it sends, and again after it was resolved', async () => {
    await rows(payments.db, `delete from flags where subject like '/api/stripe-webhook/%'`);
    const send = (event: object) => {
      const object = { id: `cus_${randomUUID()}`, object: 'customer' } as never;
      return payments.control.deliverEvent({ type: 'customer.created', object, event });
    };
    for (let n = 0; n < 20; n++) await send({ livemode: true });
    for (let n = 0; n < 3; n++) await send({ account: `acct_${n}` });
    const live = '/api/stripe-webhook/ (live mode)';
    const connected = '/api/stripe-webhook/ (test mode, connected accounts)';
    expect(await strangerFlags()).toEqual([
      { subject: live, occurrences: 20, resolved: false },
      { subject: connected, occurrences: 3, resolved: false },
    ]);
    await rows(payments.db, 'update flags set resolved_at = now() where subject = ?', [live]);
    await send({ livemode: true });
    expect((await strangerFlags())[0]).toEqual({ subject: live, occurrences: 1, resolved: false });
  });

  test.each([
    ['of the other mode', { livemode: true }],
    ['of another account', { account: 'acct_1Stranger' }],
  ])('ST-12 an event %s is ignored and flagged', async (_, odd) => {
    const { intentId, id } = await paidQuietly();
    const made = succeededEvent(intentId);
    const reply = await payments.control.deliverEvent({ ...made, event: { ...made.event, ...odd } });
    expect(reply).toEqual({ status: 200 });
    expect(await strangerFlags()).not.toEqual([]);
    expect(await payments.paymentsOf(id)).toMatchObject([{ status: 'requires_payment_method' }]);
    // The same event id, rightly labelled, still counts.
    await payments.control.deliverEvent(made);
    await payments.untilStatus(id, 'confirmed');
  });

  test('ST-14 an event of one booking’s PaymentIntent cannot settle another booking', async () => {
    const mine = await payments.holdToPay();
    const victim = await payments.hold();
    await payments.control.setWebhookBehaviour({ paused: true });
    const object = {
      ...(await payments.snapshot(mine.intentId)),
      status: 'succeeded',
      amount_received: 4_000,
      metadata: { booking_ref: victim.ref, booking_id: String(victim.id) },
    };
    await payments.control.deliverEvent({ ...succeededEvent(mine.intentId), object });
    expect(await payments.flagsOn(mine.intentId)).toEqual(['payment_mismatch']);
    await payments.control.pay(mine.intentId);
    await payments.control.deliverEvent({ ...succeededEvent(mine.intentId), object });
    await payments.untilStatus(mine.id, 'confirmed');
    expect(await payments.facts(victim.id)).toMatchObject({ status: 'pending', payment_status: 'pending' });
    expect(await payments.paymentsOf(victim.id)).toEqual([]);
  });

  test('ST-14 an event of a PaymentIntent that Stripe does not know leaves the booking payable', async () => {
    const held = await payments.holdToPay();
    await payments.control.setWebhookBehaviour({ paused: true });
    const object = {
      ...(await payments.snapshot(held.intentId)),
      id: `pi_${randomUUID()}`,
      status: 'succeeded',
      amount_received: 4_000,
      metadata: { booking_ref: held.ref },
    };
    await payments.control.deliverEvent({ ...succeededEvent(held.intentId), object });
    await until('the flag', async () => (await payments.flagsOn(object.id)).length > 0);
    expect((await payments.facts(held.id)).status).toBe('pending');
    await payments.control.pay(held.intentId);
    await payments.control.deliverEvent(succeededEvent(held.intentId));
    await payments.untilStatus(held.id, 'confirmed', 4_000);
  });

  test('ST-24 a dispute is flagged; nothing is cancelled or refunded', async () => {
    const { intentId, id } = await paidQuietly();
    await payments.control.deliverEvent(succeededEvent(intentId));
    await payments.untilStatus(id, 'confirmed');
    const dispute = await payments.control.createDispute(intentId);
    for (let copy = 0; copy < 2; copy++) {
      await payments.control.deliverEvent({ type: 'charge.dispute.created', object: dispute.id });
    }
    expect(await payments.flagsOn(dispute.id)).toEqual(['dispute']);
    await payments.untilCarried();
    expect(await payments.facts(id)).toMatchObject({ status: 'confirmed', payment_status: 'succeeded' });
    expect(await payments.refundsOf(id)).toEqual([]);
  });

  test('ST-25 while secrets rotate the old and the new one are good, a third is not', async () => {
    const { intentId } = await paidQuietly();
    const made = succeededEvent(intentId);
    expect(await payments.control.deliverEvent({ ...made, secret: oldSecret })).toEqual({ status: 200 });
    expect(await payments.control.deliverEvent(succeededEvent(intentId))).toEqual({ status: 200 });
    expect(await payments.control.deliverEvent({ ...made, secret: 'whsec_third' })).toEqual({ status: 400 });
    const payload = quietEvent();
    // While a secret is being rolled Stripe signs with both (https://docs.stripe.com/webhooks#roll-endpoint-secrets).
    const [stranger, known] = ['whsec_x', oldSecret].map((one) => signatureOf(payload, one, nowSeconds()));
    expect((await post(payload, `${stranger},${known?.split(',')[1]}`)).status).toBe(200);
  });

  test('ST-27 it needs no token, takes 200 KiB, and refuses 5 MB and other content types', async () => {
    const signed = (payload: string, headers: Record<string, string> = {}) =>
      post(payload, signatureOf(payload, secret, nowSeconds()), headers);
    const padded = (bytes: number) => quietEvent().replace('pi_any', 'x'.repeat(bytes));
    expect((await signed(padded(200_000))).status).toBe(200);
    const large = await signed(padded(5_000_000));
    expect([large.status, large.body.code]).toEqual([413, 'payload_too_large']);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const { status, body } = await signed(quietEvent(), { 'Content-Type': type });
      expect([type, status, body.code]).toEqual([type, 415, 'unsupported_media_type']);
    }
    expect((await payments.call('GET', '/api/stripe-webhook/')).status).toBe(405);
  });
});

describe('the webhook while Temporal and Stripe are out of reach', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments({ settings: { TEMPORAL_ADDRESS: '127.0.0.1:1' }, worker: false });
  });
  afterAll(() => payments.stop());

  test('ST-06 100 events are taken in less than a second (p99), and wait in the outbox', async () => {
    const held = await Promise.all(Array.from({ length: 20 }, () => payments.holdToPay()));
    await payments.control.setWebhookBehaviour({ paused: true });
    for (const { intentId } of held) await payments.control.pay(intentId);
    await payments.control.failNext({ kind: 'drop_before', count: 100_000 });
    const waiting = [1, 2, 3, 4, 5].flatMap(() => held);
    const deliver = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        await payments.control.deliverEvent({ type: 'payment_intent.succeeded', object: next.intentId });
      }
    };
    await Promise.all([deliver(), deliver(), deliver(), deliver()]);
    const deliveries = await payments.control.deliveries({ type: 'payment_intent.succeeded' });
    expect(deliveries).toHaveLength(100);
    expect(deliveries.filter((delivery) => delivery.status !== 200)).toEqual([]);
    const tookMs = deliveries.map((delivery) => delivery.tookMs).sort((a, b) => a - b);
    expect(tookMs[98]).toBeLessThan(timely(1_000));
    const [outbox] = await rows<{ waiting: number }>(
      payments.db,
      "select count(distinct payload ->> 'intentId')::int as waiting from outbox where topic = 'payment'",
    );
    expect(outbox?.waiting).toBe(20);
    const recorded = await rows(payments.db, "select 1 from payments where status = 'succeeded'");
    expect(recorded).toHaveLength(20);
  });
});
