import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordMissedEvents } from '../../activities/missed-events.ts';
import { createEventRecorder } from '../../activities/stripe-events.ts';
import { type Payments, startPayments } from './payment-kit.ts';

describe('the search for events that nobody has received', { timeout: 60_000 }, () => {
  let payments: Payments;
  let search: (from: number, stopAtMs?: number) => ReturnType<typeof recordMissedEvents>;
  const nowSeconds = () => Math.floor(Date.now() / 1000);

  beforeAll(async () => {
    payments = await startPayments({ settings: { HOLD_MINUTES: '60' } });
    const { db, stripe } = payments;
    const deps = { db, stripe, log: pino({ level: 'silent' }), freeCancelHours: 24 };
    const record = createEventRecorder(db, 0);
    search = (from, stopAtMs = Infinity) =>
      recordMissedEvents(deps, record, { from, until: nowSeconds(), stopAtMs });
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
  });
  afterAll(() => payments.stop());

  test('ST-26 finds a payment behind thousands of events of a few seconds, and each of them once', async () => {
    const held = await payments.holdToPay();
    await payments.control.pay(held.intentId);
    const { id: foreign } = await payments.stripe.paymentIntents.create({ amount: 500, currency: 'usd' });
    for (let n = 0; n < 3_000; n++) await payments.control.emitEvent('payment_intent.processing', foreign);
    const { missed } = await search(nowSeconds() - 3 * 86_400);
    expect(missed).toBeGreaterThanOrEqual(3_001);
    await payments.untilStatus(held.id, 'confirmed');
    expect((await search(nowSeconds() - 3 * 86_400)).missed).toBe(0);
  });

  test('ST-26 a search whose time is up has got on, and those after it come to the end', async () => {
    const held = await payments.holdToPay();
    await payments.control.pay(held.intentId);
    const places = [nowSeconds() - 25 * 60];
    for (let missed = 0; missed === 0 && places.length < 50; ) {
      const found = await search(places.at(-1) as number, 0);
      missed += found.missed;
      places.push(found.until);
    }
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(new Set(places).size).toBeGreaterThan(2);
    await payments.untilStatus(held.id, 'confirmed');
  });
});
