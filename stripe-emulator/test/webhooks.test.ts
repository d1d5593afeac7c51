import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startKit, startReceiver, type Kit } from './kit.ts';

let kit: Kit;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeEach(async () => {
  receiver = await startReceiver();
  kit = await startKit({ webhookUrl: receiver.url });
});
afterEach(async () => {
  await kit.stop();
  await receiver.stop();
});

const secret = () => kit.emulator.settings.STRIPE_WEBHOOK_SECRET;
const sorted = (types: string[]) => [...types].sort();
/** The types that arrived while `act` ran. */
async function typesOf(act: () => Promise<unknown>): Promise<string[]> {
  await kit.control.whenDelivered();
  receiver.received.length = 0;
  await act();
  await kit.control.whenDelivered();
  return sorted(receiver.types());
}

describe('what happened is told', () => {
  test('each step has its events', async () => {
    let id = '';
    const intents = kit.stripe.paymentIntents;
    expect(await typesOf(async () => ({ id } = await kit.createIntent()))).toEqual([
      'payment_intent.created',
    ]);
    expect(
      await typesOf(() => intents.confirm(id, { payment_method: 'pm_card_chargeDeclined' }).catch(() => 0)),
    ).toEqual(['charge.failed', 'payment_intent.payment_failed']);
    expect(
      await typesOf(() => intents.confirm(id, { payment_method: 'pm_card_authenticationRequired' })),
    ).toEqual(['payment_intent.requires_action']);
    expect(await typesOf(() => intents.confirm(id, { payment_method: 'pm_processing' }))).toEqual([
      'payment_intent.processing',
    ]);
    expect(await typesOf(() => kit.control.settleProcessing(id, 'succeeded'))).toEqual([
      'charge.succeeded',
      'payment_intent.succeeded',
    ]);
    expect(await typesOf(() => kit.stripe.refunds.create({ payment_intent: id, amount: 1000 }))).toEqual([
      'charge.refunded',
      'refund.created',
    ]);
    const [refund] = (await kit.stripe.refunds.list()).data;
    expect(await typesOf(() => kit.control.failRefund(refund?.id ?? ''))).toEqual([
      'refund.failed',
      'refund.updated',
    ]);
    expect(await typesOf(() => kit.control.createDispute(id))).toEqual([
      'charge.dispute.created',
      'charge.dispute.funds_withdrawn',
    ]);

    const other = await kit.createIntent({ capture_method: 'manual' });
    expect(await typesOf(() => intents.confirm(other.id, { payment_method: 'pm_card_visa' }))).toEqual([
      'charge.succeeded',
      'payment_intent.amount_capturable_updated',
    ]);
    expect(await typesOf(() => intents.cancel(other.id))).toEqual([
      'charge.refunded',
      'payment_intent.canceled',
    ]);
  });

  test('an event carries the object as it was then, the version and the request', async () => {
    const intent = await kit.stripe.paymentIntents.create(
      { amount: 5000, currency: 'eur', metadata: { booking_ref: 'b-1' } },
      { idempotencyKey: 'key-1' },
    );
    await kit.stripe.paymentIntents.cancel(intent.id);
    await kit.control.whenDelivered();
    const created = receiver.received.find(({ event }) => event.type === 'payment_intent.created')?.event;
    expect(created).toMatchObject({
      object: 'event',
      api_version: '2026-10-28.endive',
      livemode: false,
      pending_webhooks: 1,
      request: { id: intent.lastResponse.requestId, idempotency_key: 'key-1' },
      data: {
        object: { id: intent.id, status: 'requires_payment_method', metadata: { booking_ref: 'b-1' } },
      },
    });
    expect(created?.id).toMatch(/^evt_/);
    expect(Math.abs((created?.created ?? 0) - Date.now() / 1000)).toBeLessThan(5);
  });

  test('the real client accepts the signature on the raw bytes and on nothing else', async () => {
    await kit.createIntent();
    await kit.control.whenDelivered();
    const [delivery] = receiver.received;
    const header = String(delivery?.headers['stripe-signature']);
    const body = delivery?.body ?? Buffer.alloc(0);
    const event = kit.stripe.webhooks.constructEvent(body, header, secret());
    expect(event.type).toBe('payment_intent.created');
    expect(() => kit.stripe.webhooks.constructEvent(`${body.toString()} `, header, secret())).toThrow();
    expect(() => kit.stripe.webhooks.constructEvent(body, header, 'whsec_other')).toThrow();
    expect(delivery?.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(delivery?.headers['user-agent']).toContain('Stripe/1.0');
  });
});

describe('at least once', () => {
  test.each([500, 302, 400])(
    'a %i is tried again with back-off and a fresh signature until it is accepted',
    async (status) => {
      await kit.control.setWebhookBehaviour({ retryBaseMs: 40 });
      receiver.state.reply = () => (receiver.received.length < 4 ? status : 200);
      await kit.createIntent();
      await kit.control.whenDelivered();
      const { received } = receiver;
      expect(received).toHaveLength(4);
      expect(new Set(received.map(({ event }) => event.id)).size).toBe(1);
      const gaps = received.slice(1).map(({ atMs }, at) => atMs - (received[at]?.atMs ?? 0));
      // 40, 80, 160 ms, each give or take a fifth.
      expect(gaps[0]).toBeGreaterThanOrEqual(30);
      expect(gaps[2]).toBeGreaterThanOrEqual(125);
      const attempts = await kit.control.deliveries();
      expect(attempts.map((each) => [each.attempt, each.status])).toEqual([
        [1, status],
        [2, status],
        [3, status],
        [4, 200],
      ]);
      expect(await kit.control.undelivered()).toEqual([]);
    },
  );

  test('the signature of a retry carries the time of the retry', async () => {
    // More than a second, even when the back-off is a fifth shorter.
    await kit.control.setWebhookBehaviour({ retryBaseMs: 1300 });
    receiver.state.reply = () => (receiver.received.length < 2 ? 500 : 200);
    await kit.createIntent();
    await kit.control.whenDelivered();
    const times = receiver.received.map(({ headers }) =>
      Number(/t=(\d+)/.exec(String(headers['stripe-signature']))?.[1]),
    );
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1);
  });

  test('an endpoint that hangs or is not there is tried again', async () => {
    await kit.control.setWebhookBehaviour({ retryBaseMs: 20, timeoutMs: 60 });
    receiver.state.reply = () => (receiver.received.length < 2 ? null : 200);
    await kit.createIntent();
    await kit.control.whenDelivered();
    // On a busy machine the receiver may be late more than once.
    const errors = (await kit.control.deliveries()).map((each) => each.error);
    expect(new Set(errors.slice(0, -1))).toEqual(new Set(['no answer in 60 ms']));
    expect(errors.at(-1)).toBeNull();

    const { url } = receiver;
    await kit.control.setWebhookUrl('http://127.0.0.1:1/nobody');
    await kit.createIntent();
    await expect(kit.control.whenDelivered(150)).rejects.toThrow('1 webhooks are not delivered');
    await kit.control.setWebhookUrl(url);
    await kit.control.whenDelivered();
    expect(receiver.received).toHaveLength(3);
  });

  test('retryNow ends the back-off, giveUpAfterMs ends the retries', async () => {
    await kit.control.setWebhookBehaviour({ retryBaseMs: 60_000, retryMaxMs: 60_000 });
    receiver.state.reply = () => 500;
    await kit.createIntent();
    await expect.poll(() => receiver.received.length).toBe(1);
    await expect.poll(async () => (await kit.control.undelivered())[0]?.attempts).toBe(1);
    await kit.control.setWebhookBehaviour({ giveUpAfterMs: 0 });
    await kit.control.retryNow();
    await kit.control.whenDelivered();
    expect(receiver.received).toHaveLength(2);
  });

  test('no more deliveries run at once than the bound', async () => {
    receiver.state.holdMs = 15;
    await kit.control.setWebhookBehaviour({ paused: true });
    for (let made = 0; made < 40; made++) await kit.createIntent();
    expect(receiver.received).toHaveLength(0);
    await kit.control.setWebhookBehaviour({ paused: false });
    await kit.control.whenDelivered();
    expect(receiver.received).toHaveLength(40);
    expect(receiver.state.activeMax).toBe(8);
  });
});
