import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createStripe } from '../../core/stripe/client.ts';
import type { FaultKind } from 'stripe-emulator';
import { dayAhead, until } from '../setup/system.ts';
import { type Payments, priceMinor, startPayments } from './payment-kit.ts';
import { timely } from '../security/run.ts';

describe('Stripe out of order while a PaymentIntent is made', () => {
  let payments: Payments;
  let log = '';
  const logTo = new Writable({
    write(chunk: Buffer, _, done) {
      log += chunk.toString();
      done();
    },
  });
  beforeAll(async () => {
    payments = await startPayments({ logTo });
  });
  afterEach(() => payments.control.clearFaults());
  afterAll(() => payments.stop());

  const creation = { method: 'POST', path: '/v1/payment_intents$' };
  const strike = (kind: FaultKind, count = 1) => payments.control.failNext({ kind, count, match: creation });

  // The client repeats a connection that broke once by itself, hence two of the drops.
  test.each<[FaultKind, number]>([
    ['503', 1],
    ['429', 1],
    ['500', 1],
    ['500_after_effect', 1],
    ['drop_before', 2],
    ['drop_after_effect', 2],
  ])(
    'ST-15 a %s: 503 with Retry-After, and asking again gives the one PaymentIntent',
    async (kind, count) => {
      const held = await payments.hold();
      await strike(kind, count);
      const refused = await payments.askForIntent(held.id);
      expect([refused.status, refused.body.code]).toEqual([503, 'stripe_unavailable']);
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
      const intentId = await payments.openIntent(held.id);
      expect(await payments.openIntent(held.id)).toBe(intentId);
      expect((await payments.intentsOf(held.ref)).map((intent) => intent.id)).toEqual([intentId]);
      await payments.control.pay(intentId);
      await payments.untilStatus(held.id, 'confirmed');
      expect(await payments.refundsOf(held.id)).toEqual([]);
    },
  );

  test('ST-15 a connection that breaks once after the effect is not even noticed', async () => {
    const held = await payments.hold();
    await strike('drop_after_effect');
    const intentId = await payments.openIntent(held.id);
    expect((await payments.intentsOf(held.ref)).map((intent) => intent.id)).toEqual([intentId]);
  });

  test('ST-15 a 500 that Stripe replays for every try makes way for one new PaymentIntent', async () => {
    const held = await payments.hold();
    await strike('500');
    expect((await payments.askForIntent(held.id)).status).toBe(503);
    await strike('500');
    expect((await payments.askForIntent(held.id)).status).toBe(503);
    const intentId = await payments.openIntent(held.id);
    expect((await payments.intentsOf(held.ref)).map((intent) => intent.id)).toEqual([intentId]);
    const made = await payments.paymentsOf(held.id);
    expect(made.at(-1)).toMatchObject({ intent_id: intentId, attempt: 3 });
    expect(made.slice(0, -1)).toMatchObject([{ status: 'canceled' }, { status: 'canceled' }]);
  });

  test('ST-15 ten requests at once, Stripe slow and broken, make one PaymentIntent', async () => {
    const held = await payments.hold();
    await payments.control.setLatency(100);
    await strike('drop_after_effect', 2);
    await strike('503', 2);
    const first = await Promise.all(Array.from({ length: 10 }, () => payments.askForIntent(held.id)));
    await payments.control.setLatency(0);
    expect(first.every(({ status }) => status === 201 || status === 503)).toBe(true);
    const intentId = await payments.openIntent(held.id);
    for (const { status, body } of first) if (status === 201) expect(body.payment_intent_id).toBe(intentId);
    expect((await payments.intentsOf(held.ref)).map((intent) => intent.id)).toEqual([intentId]);
    expect(await payments.paymentsOf(held.id)).toHaveLength(1);
  });

  test('ST-16 where Stripe hangs the answer is 503 within 12 s, and asking again gives the one PaymentIntent', async () => {
    const held = await Promise.all([payments.hold(), payments.hold()]);
    await strike('timeout');
    await strike('timeout_after_effect');
    const askedAt = Date.now();
    const refused = await Promise.all(held.map(({ id }) => payments.askForIntent(id)));
    expect(refused.map(({ status }) => status)).toEqual([503, 503]);
    expect(Date.now() - askedAt).toBeLessThan(timely(12_000));
    for (const { id, ref } of held) {
      const intentId = await payments.openIntent(id);
      expect((await payments.intentsOf(ref)).map((intent) => intent.id)).toEqual([intentId]);
    }
  });

  test('ST-16 the client pins its API version, gives up by itself and repeats at most twice', async () => {
    const versions: unknown[] = [];
    const broken = createServer((request, response) => {
      versions.push(request.headers['stripe-version']);
      response.destroy();
    });
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const apiBase = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`;
    const client = createStripe({ secretKey: 'sk_test_1', apiBase });
    await expect(client.paymentIntents.retrieve('pi_1')).rejects.toThrow();
    broken.close();
    expect(versions.length).toBeLessThanOrEqual(3);
    expect(new Set(versions)).toEqual(new Set(['2026-10-28.endive']));
    expect(client.getApiField('timeout')).toBeLessThanOrEqual(10_000);
  });

  test('ST-10 a PaymentIntent whose id never arrived is paid: found by its metadata, confirmed, id filled in', async () => {
    const held = await payments.hold();
    await strike('drop_after_effect', 2);
    expect((await payments.askForIntent(held.id)).status).toBe(503);
    expect(await payments.paymentsOf(held.id)).toMatchObject([{ status: 'creating', intent_id: null }]);
    const [made] = await payments.intentsOf(held.ref);
    if (!made) throw new Error('Stripe has made no PaymentIntent');
    await payments.control.pay(made.id);
    await payments.untilStatus(held.id, 'confirmed');
    expect(await payments.paymentsOf(held.id)).toMatchObject([{ status: 'succeeded', intent_id: made.id }]);
    expect((await payments.askForIntent(held.id)).body.code).toBe('already_paid');
    expect(await payments.ledgerOf(made.id)).toMatchObject({ chargedMinor: priceMinor, refunds: [] });
  });

  test.each([
    ['parameter_unknown', 502, 'payment_provider_refused'],
    ['amount_too_small', 400, 'amount_not_chargeable'],
  ])(
    'ST-12 a refusal for good (%s) is reported as such, and the hold goes on',
    async (code, status, problem) => {
      const held = await payments.hold();
      await payments.control.failNext({ kind: '400', refusal: { code }, match: creation });
      const refused = await payments.askForIntent(held.id);
      expect([refused.status, refused.body.code]).toEqual([status, problem]);
      expect((await payments.facts(held.id)).status).toBe('pending');
    },
  );

  test.each<FaultKind>(['401', '403'])(
    'ST-15 a key that Stripe refuses with %s is an outage: 503, and an error in the log for the operator alone',
    async (kind) => {
      const held = await payments.hold();
      await strike(kind);
      log = '';
      const refused = await payments.askForIntent(held.id);
      expect([refused.status, refused.body.code]).toEqual([503, 'stripe_unavailable']);
      expect(JSON.stringify(refused.body)).not.toContain('api_key');
      await until('the log', async () => log.includes('Stripe refuses our key'));
      const line = log.split('\n').find((one) => one.includes('Stripe refuses our key')) ?? '';
      expect(JSON.parse(line)).toMatchObject({
        level: 'error',
        code: 'api_key_expired',
        statusCode: Number(kind),
      });
      expect(await payments.paymentsOf(held.id)).toMatchObject([{ status: 'creating', attempt: 1 }]);
      const intentId = await payments.openIntent(held.id);
      expect((await payments.intentsOf(held.ref)).map((intent) => intent.id)).toEqual([intentId]);
    },
  );

  test('ST-13 the price is the catalogue’s, whatever a client sends', async () => {
    const roomId = await payments.system.newRoom();
    const body = {
      room_id: roomId,
      booking_date: dayAhead(7),
      start_time: '09:00',
      end_time: '10:00',
      guest_count: 1,
    };
    for (const extra of ['amount', 'total_amount', 'price', 'currency', 'status', 'payment_intent_id']) {
      const { status } = await payments.call('POST', '/api/bookings/', {
        token: payments.guest.token,
        body: { ...body, [extra]: 1 },
      });
      expect([extra, status]).toEqual([extra, 400]);
    }
    const held = await payments.hold(roomId);
    for (const wrong of [{ amount: 0.01 }, { amount: 39.99 }, { amount: 40, currency: 'eur' }]) {
      const { status, body: problem } = await payments.call('POST', '/api/payment-intent/', {
        token: payments.guest.token,
        body: { booking_id: held.id, ...wrong },
      });
      expect([status, problem.code]).toEqual([400, 'amount_mismatch']);
    }
    expect(await payments.intentsOf(held.ref)).toEqual([]);
    const intentId = await payments.openIntent(held.id);
    expect(await payments.ledgerOf(intentId)).toMatchObject({ amount: priceMinor, currency: 'usd' });
  });

  test('ST-28 the client secret is the owner’s alone, is not to be cached, and stands in no other answer', async () => {
    const held = await payments.holdToPay();
    const staff = await payments.system.newUser({ isStaff: true });
    const stranger = await payments.system.newUser();
    for (const { token } of [staff, stranger]) {
      const { status } = await payments.call('POST', '/api/payment-intent/', {
        token,
        body: { booking_id: held.id },
      });
      expect(status).toBe(404);
    }
    const answer = await payments.askForIntent(held.id);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const secret: string = answer.body.client_secret;
    expect(secret).toMatch(/^pi_\w+_secret_\w+$/);
    const elsewhere = [
      await payments.show(held.id),
      await payments.call('GET', '/api/bookings/', { token: payments.guest.token }),
      await payments.call('GET', '/api/bookings/all/', { token: staff.token }),
      await payments.db.raw('select to_jsonb(p) from payments p'),
    ];
    expect(JSON.stringify(elsewhere)).not.toContain(secret.split('_secret_')[1]);
  });

  test('ST-16 no key and no client secret has come into the log of all that', async () => {
    await until('the log', async () => log.includes('/api/payment-intent/'));
    expect(log).not.toMatch(/sk_test|whsec_|_secret_\w/);
  });
});
