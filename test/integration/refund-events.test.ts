import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';

describe('events about refunds', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments();
  });
  afterEach(async () => {
    await payments.control.clearFaults();
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
  });
  afterAll(() => payments.stop());

  async function cancelInTime(paid: PaidFor): Promise<void> {
    const { status, body } = await payments.cancel(paid.id);
    expect([status, body.status]).toEqual([200, 'cancelled']);
  }

  /** Cancels a paid booking; Stripe refunds it, and sends no event by itself. @returns delivers an event of it */
  async function refundWithoutEvents(paid: PaidFor) {
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    await cancelInTime(paid);
    await until('a refund', async () => (await payments.ledgerOf(paid.intentId)).refunds.length > 0);
    const events = await payments.eventsOf([paid.intentId]);
    return async (type: string): Promise<void> => {
      const event = events.find((one) => one.type === type);
      expect(await payments.control.redeliver(event?.id ?? '')).toEqual({ status: 200 });
    };
  }

  test('ST-23 our own, slow and its answer lost, is submitted although its charge counts as refunded', async () => {
    const paid = await payments.holdToPay();
    await payments.control.pay(paid.intentId, 'pm_card_pendingRefund');
    await payments.untilStatus(paid.id, 'confirmed');
    await payments.control.failNext({
      kind: 'drop_after_effect',
      count: 40,
      match: { method: 'POST', path: '/v1/refunds$' },
    });
    const deliver = await refundWithoutEvents(paid);
    await deliver('charge.refunded');
    expect(await payments.refundsOf(paid.id)).toMatchObject([{ status: 'pending' }]);
    await deliver('refund.created');
    expect(await payments.refundsOf(paid.id)).toMatchObject([{ status: 'submitted' }]);
    expect((await payments.facts(paid.id)).payment_status).toBe('succeeded');
  });

  test.each([
    ['refund.created', 'charge.refunded'],
    ['charge.refunded', 'refund.created'],
  ])('ST-23 our own, reported by %s and then by %s, has succeeded, once', async (first, second) => {
    const paid = await payments.holdAndPay();
    const deliver = await refundWithoutEvents(paid);
    await deliver(first);
    await deliver(second);
    await until(
      'it has succeeded',
      async () => (await payments.refundsOf(paid.id))[0]?.status === 'succeeded',
    );
    expect(await payments.facts(paid.id)).toMatchObject({ status: 'cancelled', payment_status: 'refunded' });
    const { refunds, refundedMinor } = await payments.ledgerOf(paid.intentId);
    expect([refunds.length, refundedMinor]).toEqual([1, priceMinor]);
    expect(await payments.flagsOn(paid.intentId)).toEqual([]);
  });
});
