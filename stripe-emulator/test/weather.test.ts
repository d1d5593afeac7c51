import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type Stripe from 'stripe';
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
describe('the weather', () => {
  test('without an address everything waits, and goes when there is one', async () => {
    await kit.control.setWebhookUrl(null);
    await kit.createIntent();
    expect(await kit.control.undelivered()).toHaveLength(1);
    await kit.control.setWebhookUrl(receiver.url);
    await kit.control.whenDelivered();
    expect(receiver.types()).toEqual(['payment_intent.created']);
    await expect(kit.control.setWebhookUrl('https://example.com')).rejects.toThrow('http:');
  });

  test('duplicates come with the same event id', async () => {
    await kit.control.setWebhookBehaviour({ duplicate: 2 });
    await kit.createIntent();
    await kit.control.whenDelivered();
    expect(receiver.received).toHaveLength(3);
    expect(new Set(receiver.received.map(({ event }) => event.id)).size).toBe(1);
  });

  test('a delay holds every event back', async () => {
    await kit.control.setWebhookBehaviour({ delayMs: [80, 120] });
    const startMs = Date.now();
    await kit.createIntent();
    await kit.control.whenDelivered();
    expect((receiver.received[0]?.atMs ?? 0) - startMs).toBeGreaterThanOrEqual(78);
  });

  test('reorder mixes what waits; without it the order is kept', async () => {
    const orderOf = async (reorder: boolean) => {
      receiver.received.length = 0;
      await kit.control.setWebhookBehaviour({ paused: true, reorder, concurrency: 1 });
      const ids: string[] = [];
      for (let made = 0; made < 12; made++) ids.push((await kit.createIntent()).id);
      await kit.control.setWebhookBehaviour({ paused: false });
      await kit.control.whenDelivered();
      const arrived = receiver.received.map(({ event }) => (event.data.object as Stripe.PaymentIntent).id);
      expect(sorted(arrived)).toEqual(sorted(ids));
      return arrived.join() === ids.join();
    };
    expect(await orderOf(false)).toBe(true);
    expect(await orderOf(true)).toBe(false);
  });

  test('dropped attempts are repeated, lost events stay in the API only', async () => {
    await kit.control.setWebhookBehaviour({ dropRate: 1, retryBaseMs: 5 });
    await kit.createIntent();
    await expect.poll(async () => (await kit.control.undelivered())[0]?.attempts ?? 0).toBeGreaterThan(1);
    await kit.control.setWebhookBehaviour({ dropRate: 0 });
    await kit.control.whenDelivered();
    expect(receiver.received).toHaveLength(1);

    await kit.control.setWebhookBehaviour({ loseRate: 1 });
    await kit.createIntent();
    expect(await kit.control.undelivered()).toEqual([]);
    expect((await kit.stripe.events.list({ type: 'payment_intent.created' })).data).toHaveLength(2);
    expect(receiver.received).toHaveLength(1);
  });
});

describe('by hand', () => {
  test('redeliver sends a recorded event again, also while paused', async () => {
    const { id } = await kit.createIntent();
    await kit.control.whenDelivered();
    await kit.control.setWebhookBehaviour({ paused: true });
    const [event] = (await kit.stripe.events.list()).data;
    expect(await kit.control.redeliver(event?.id ?? '')).toEqual({ status: 200 });
    expect(receiver.received.map((each) => each.event.id)).toEqual([event?.id, event?.id]);
    expect(receiver.received[1]?.event.data.object).toMatchObject({ id });
    await expect(kit.control.redeliver('evt_none')).rejects.toThrow('No such event');
  });

  test('deliverEvent makes any event, with any time and secret', async () => {
    const { id } = await kit.createIntent();
    await kit.control.whenDelivered();
    receiver.received.length = 0;
    receiver.state.reply = () => 418;
    const reply = await kit.control.deliverEvent({
      type: 'payment_intent.succeeded',
      object: id,
      event: { id: 'evt_made', livemode: true, created: 1, account: 'acct_other' },
      timestampSeconds: 1_700_000_000,
      secret: 'whsec_old',
    });
    expect(reply).toEqual({ status: 418 });
    const [made] = receiver.received;
    expect(made?.event).toMatchObject({
      id: 'evt_made',
      type: 'payment_intent.succeeded',
      livemode: true,
      created: 1,
      account: 'acct_other',
      data: { object: { id } },
    });
    const header = String(made?.headers['stripe-signature']);
    expect(header).toMatch(/^t=1700000000,v1=[0-9a-f]{64}$/);
    const { webhooks } = kit.stripe;
    const body = made?.body ?? '';
    // A clock of that time, so that only the secret decides.
    const verify = (key: string) =>
      webhooks.constructEvent(body, header, key, 300, undefined, 1_700_000_000_000);
    expect(verify('whsec_old').id).toBe('evt_made');
    expect(() => verify(secret())).toThrow();
    expect((await kit.stripe.events.list({ limit: 100 })).data.map((each) => each.id)).not.toContain(
      'evt_made',
    );

    await kit.control.deliverEvent({ type: 'invoice.paid', object: { id: 'in_1', object: 'invoice' } });
    expect(receiver.received[1]?.event).toMatchObject({
      type: 'invoice.paid',
      data: { object: { id: 'in_1' } },
    });
  });

  test('emitEvent records a second event of the same fact', async () => {
    const { id } = await kit.createIntent();
    await kit.control.pay(id);
    const second = await kit.control.emitEvent('payment_intent.succeeded', id);
    await kit.control.whenDelivered();
    const ids = receiver.received
      .filter((each) => each.event.type === 'payment_intent.succeeded')
      .map((each) => each.event.id);
    expect(new Set(ids).size).toBe(2);
    expect(ids).toContain(second.id);
    expect(await kit.stripe.events.retrieve(second.id)).toMatchObject({ id: second.id, pending_webhooks: 0 });
  });
});
