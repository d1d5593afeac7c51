import { MockActivityEnvironment } from '@temporalio/testing';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Activities, createActivities } from '../../activities/index.ts';
import { recordMissedEvents } from '../../core/reconcile/find-missed-events.ts';
import { createEventRecorder } from '../../core/payments/record-event.ts';
import { type Payments, startPayments } from './payment-kit.ts';

describe('the search for missed events', { timeout: 60_000 }, () => {
  let payments: Payments;
  let round: Activities['recordMissedEvents'];
  let search: (from: number, stopAtMs?: number) => ReturnType<typeof recordMissedEvents>;
  const nowSeconds = () => Math.floor(Date.now() / 1000);

  beforeAll(async () => {
    payments = await startPayments({ settings: { HOLD_MINUTES: '60' } });
    const { db, stripe } = payments;
    const deps = { db, stripe, log: pino({ level: 'silent' }), freeCancelHours: 24 };
    const record = createEventRecorder(db, 0);
    search = (from, stopAtMs = Infinity) =>
      recordMissedEvents(deps, record, { from, until: nowSeconds(), stopAtMs });
    const activities = createActivities(deps);
    round = (place) =>
      new MockActivityEnvironment({ startToCloseTimeoutMs: 120_000 }).run(
        (input: typeof place) => activities.recordMissedEvents(input),
        place,
      );
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
  });
  afterAll(() => payments.stop());

  const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

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

  test('ST-26 a search that runs out of time has made progress, and later ones reach the end', async () => {
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

  test.each([
    ['behind', -10],
    ['ahead', 10],
  ])('ST-26 goes by the clock of Stripe where its own is ten minutes %s', async (_, minutes) => {
    const held = await payments.holdToPay();
    await payments.control.pay(held.intentId);
    const now = Date.now;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + minutes * 60_000);
    const first = await round({ since: ago(0), lookedBackAt: ago(0) });
    clock.mockRestore();
    expect(first.missed).toBeGreaterThan(0);
    expect(Math.abs(Date.parse(first.until) - Date.now())).toBeLessThan(10_000);
    await payments.untilStatus(held.id, 'confirmed');
  });

  test('ST-26 looks through the last days every six hours, ignoring the cursor of earlier rounds', async () => {
    const list = vi.spyOn(payments.stripe.events, 'list');
    const minutesBack = async (lookedBackMinutesAgo: number) => {
      list.mockClear();
      const { lookedBackAt } = await round({ since: ago(0), lookedBackAt: ago(lookedBackMinutesAgo) });
      const begins = list.mock.calls.map(
        ([query]) => (query?.created as { gte: number } | undefined)?.gte ?? Infinity,
      );
      return {
        looked: Math.round((nowSeconds() - Math.min(...begins)) / 60),
        lookedBack: Math.round((Date.now() - Date.parse(lookedBackAt)) / 60_000),
      };
    };
    expect(await minutesBack(361)).toEqual({ looked: 3 * 24 * 60, lookedBack: 0 });
    expect(await minutesBack(300)).toEqual({ looked: 5, lookedBack: 300 });
    list.mockRestore();
  });
});
