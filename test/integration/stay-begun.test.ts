import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { rows } from '../../db/knex.ts';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';

/**
 * A stay that has begun cannot be paid for: no PaymentIntent is made, and money that comes after its start is refunded.
 */
describe('a hold whose stay has begun', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments();
  });
  afterEach(() => payments.control.setWebhookBehaviour({ loseRate: 0 }));
  afterAll(() => payments.stop());

  /** Moves the stay of a hold: it begins so many seconds from now, and its hold goes on as before. */
  const beginIn = ({ id }: { id: number }, seconds: number) =>
    rows(
      payments.db,
      `update bookings set during = tstzrange(clock_timestamp() + ? * interval '1 second',
                                              clock_timestamp() + ? * interval '1 second' + interval '1 hour')
        where id = ?`,
      [seconds, seconds, id],
    );
  const endHold = ({ id }: { id: number }) =>
    rows(payments.db, `update bookings set hold_expires_at = clock_timestamp() where id = ?`, [id]);

  const untilGivenBack = (held: PaidFor, intentId = held.intentId) =>
    until('all of it went back', async () => {
      const { refundedMinor } = await payments.ledgerOf(intentId);
      return refundedMinor === priceMinor;
    });

  async function expectUnpaid(held: PaidFor): Promise<void> {
    await endHold(held);
    await until('it has expired', async () => {
      await payments.call('POST', '/api/cleanup-expired-bookings');
      return (await payments.facts(held.id)).status === 'expired';
    });
    expect(await payments.moves(held.id)).toEqual(['pending', 'expired']);
  }

  test('has no PaymentIntent made for it', async () => {
    const held = await payments.hold();
    await beginIn(held, -1);
    const { status, body } = await payments.askForIntent(held.id);
    expect([status, body.code]).toEqual([409, 'hold_expired']);
    expect(await payments.intentsOf(held.ref)).toEqual([]);
  });

  test('does not give out the PaymentIntent that it has', async () => {
    const held = await payments.holdToPay();
    await beginIn(held, -1);
    expect((await payments.askForIntent(held.id)).body.code).toBe('hold_expired');
  });

  test('paid after the start, reported by the webhook: the money goes back, and the hold ends unpaid', async () => {
    const held = await payments.holdToPay();
    await beginIn(held, -5);
    await payments.control.pay(held.intentId);
    await untilGivenBack(held);
    expect(await payments.refundsOf(held.id)).toMatchObject([{ reason: 'late' }]);
    expect(await payments.flagsOn(held.intentId)).toEqual([]);
    await expectUnpaid(held);
  });

  test('paid after the start, found when the hold is settled: the money goes back', async () => {
    const held = await payments.holdToPay();
    await beginIn(held, -5);
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    await payments.control.pay(held.intentId);
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
    await expectUnpaid(held);
    await untilGivenBack(held);
  });

  test('paid after the start by a PaymentIntent that the service has not made: the money goes back', async () => {
    const held = await payments.holdToPay();
    await beginIn(held, -5);
    const { id } = await payments.strangeIntent(held);
    await payments.control.pay(id);
    await untilGivenBack(held, id);
    await expectUnpaid(held);
  });

  test('paid after the start, found by the reconciler: the money goes back', async () => {
    const held = await payments.holdToPay();
    await beginIn(held, -5);
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    await payments.control.pay(held.intentId);
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
    const [missed] = (await payments.eventsOf([held.intentId])).filter(
      ({ type }) => type === 'payment_intent.succeeded',
    );
    if (!missed) throw new Error('Stripe has no event of the payment');
    await payments.system.server.deps.recordEvent(missed);
    await untilGivenBack(held);
    await expectUnpaid(held);
  });

  test('paid before the start and reported after it: confirmed, since the charge’s own time decides', async () => {
    const held = await payments.holdToPay();
    await payments.control.setWebhookBehaviour({ paused: true });
    await payments.control.pay(held.intentId);
    await beginIn(held, 2);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await payments.control.setWebhookBehaviour({ paused: false });
    await payments.untilStatus(held.id, 'confirmed');
    expect((await payments.ledgerOf(held.intentId)).refunds).toEqual([]);
  });

  test('charged before the start by a payment that Stripe reports as succeeded after it: confirmed', async () => {
    const held = await payments.holdToPay();
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    await payments.control.pay(held.intentId);
    await beginIn(held, 2);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
    await payments.control.emitEvent('payment_intent.succeeded', held.intentId);
    await payments.untilStatus(held.id, 'confirmed');
  });

  test('expired, and its late money comes after the start: the money goes back though the slot is free', async () => {
    const held = await payments.holdToPay();
    await payments.control.failNext({ kind: '503', count: 1_000, match: { path: '/cancel$' } });
    await endHold(held);
    await payments.untilStatus(held.id, 'expired', 20_000);
    await beginIn(held, -5);
    await payments.control.pay(held.intentId);
    await payments.control.clearFaults();
    await untilGivenBack(held);
    expect((await payments.facts(held.id)).status).toBe('expired');
  });

  test('is kept no longer than to the start while Stripe says processing', async () => {
    const held = await payments.holdToPay();
    await payments.control.startProcessing(held.intentId);
    await beginIn(held, 1);
    await endHold(held);
    await payments.untilStatus(held.id, 'expired', 20_000);
    await payments.control.settleProcessing(held.intentId, 'succeeded');
    await untilGivenBack(held);
  });

  test('a confirmed stay that has begun keeps its money', async () => {
    const paid = await payments.holdAndPay();
    await beginIn(paid, -5);
    const activities = createActivities({ ...payments.system.server.deps, freeCancelHours: 24 });
    const event = {
      bookingRef: paid.ref,
      intentId: paid.intentId,
      verify: false,
      actor: 'test',
      workflowId: 'test',
    };
    await activities.decidePayment(event);
    expect(await payments.refundsOf(paid.id)).toEqual([]);
  });
});
