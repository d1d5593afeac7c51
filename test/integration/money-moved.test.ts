import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';

/** The money of a booking is the sum of Stripe's own refunds and disputes, whoever made them and however they end. */
describe('money that moved at Stripe', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments();
  });
  afterEach(async () => {
    await payments.control.clearFaults();
    await payments.control.setWebhookBehaviour({ loseRate: 0, paused: false });
  });
  afterAll(() => payments.stop());

  const moneyOf = async ({ id }: PaidFor) => {
    const { payment_status, payment } = await payments.show(id);
    return { payment_status, ...payment };
  };

  const untilMoney = (paid: PaidFor, expected: Record<string, unknown>) =>
    until(`the money of booking ${paid.id} is ${JSON.stringify(expected)}`, async () => {
      const money = await moneyOf(paid);
      return Object.entries(expected).every(([key, value]) => money[key] === value) && money;
    });

  async function cancelInTime(paid: PaidFor, token?: string): Promise<void> {
    const { status, body } = await payments.cancel(paid.id, token);
    expect([status, body.status]).toEqual([200, 'cancelled']);
  }

  const refundByHand = (paid: PaidFor, amount?: number) =>
    payments.stripe.refunds.create({ payment_intent: paid.intentId, ...(amount && { amount }) });

  const openFlagsOf = ({ id }: PaidFor) =>
    rows<{ kind: string; detail: string }>(
      payments.db,
      'select kind, detail from flags where booking_id = ? and resolved_at is null order by kind',
      [id],
    );

  test('part given back in the dashboard is shown in the API and flagged; cancelling sends exactly the rest', async () => {
    const paid = await payments.holdAndPay();
    await refundByHand(paid, 1_500);
    await untilMoney(paid, { refunded_amount: 15, payment_status: 'succeeded' });
    expect(await openFlagsOf(paid)).toMatchObject([
      { kind: 'refunded_at_stripe', detail: expect.stringContaining('15.00 USD') },
    ]);
    await cancelInTime(paid);
    const money = await untilMoney(paid, { refunded_amount: 40, payment_status: 'refunded' });
    expect(money.refunds).toMatchObject([
      { status: 'succeeded', amount: 15 },
      { status: 'succeeded', amount: 25 },
    ]);
    expect((await payments.ledgerOf(paid.intentId)).refundedMinor).toBe(priceMinor);
  });

  test('the bank returns a part given back by hand: the booking is not refunded any more, and staff get a flag', async () => {
    const paid = await payments.holdAndPay();
    const byHand = await refundByHand(paid, 1_500);
    await untilMoney(paid, { refunded_amount: 15 });
    await cancelInTime(paid);
    await untilMoney(paid, { payment_status: 'refunded' });
    await payments.control.failRefund(byHand.id);
    await untilMoney(paid, { refunded_amount: 25, payment_status: 'succeeded' });
    expect(await payments.flagsOn(byHand.id)).toEqual(['refund_failed']);
    await refundByHand(paid, 1_500);
    await untilMoney(paid, { refunded_amount: 40, payment_status: 'refunded' });
    expect((await openFlagsOf(paid)).map(({ kind }) => kind)).not.toContain('refund_failed');
  });

  test('a failed refund of ours that is made again by hand ends as refunded', async () => {
    const paid = await payments.holdAndPay();
    await cancelInTime(paid);
    await untilMoney(paid, { payment_status: 'refunded' });
    const [ours] = (await payments.ledgerOf(paid.intentId)).refunds;
    await payments.control.failRefund(ours?.id ?? '');
    await untilMoney(paid, { refunded_amount: 0, payment_status: 'succeeded' });
    await refundByHand(paid);
    const money = await untilMoney(paid, { refunded_amount: 40, payment_status: 'refunded' });
    expect(money.refund).toMatchObject({ status: 'succeeded', amount: 40 });
  });

  test('a refund by hand that is reported before the failure of ours counts once both are known', async () => {
    const paid = await payments.holdAndPay();
    await cancelInTime(paid);
    await untilMoney(paid, { payment_status: 'refunded' });
    const [ours] = (await payments.ledgerOf(paid.intentId)).refunds;
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    await payments.control.failRefund(ours?.id ?? '');
    const byHand = await refundByHand(paid);
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
    const events = await payments.eventsOf([paid.intentId]);
    const deliver = async (type: string, objectId: string | undefined) => {
      const event = events.find(
        (one) => one.type === type && (one.data.object as { id: string }).id === objectId,
      );
      expect(await payments.control.redeliver(event?.id ?? '')).toEqual({ status: 200 });
    };
    await deliver('refund.created', byHand.id);
    const early = await moneyOf(paid);
    expect(early).toMatchObject({ refunded_amount: 40, payment_status: 'refunded' });
    await deliver('refund.failed', ours?.id);
    expect(await moneyOf(paid)).toMatchObject({ refunded_amount: 40, payment_status: 'refunded' });
    expect(await payments.refundsOf(paid.id)).toMatchObject([{ status: 'failed' }, { status: 'succeeded' }]);
  });

  test('given back by hand, reported by the charge only: Stripe is asked for the refunds', async () => {
    const paid = await payments.holdAndPay();
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    await refundByHand(paid, 700);
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
    const events = await payments.eventsOf([paid.intentId]);
    await payments.control.redeliver(events.find(({ type }) => type === 'charge.refunded')?.id ?? '');
    await untilMoney(paid, { refunded_amount: 7, payment_status: 'succeeded' });
  });

  test('ST-23 ours, given up and then made by hand, is not asked for again', async () => {
    const paid = await payments.holdAndPay();
    await payments.control.failNext({
      kind: '400',
      refusal: { code: 'charge_not_refundable' },
      match: { method: 'POST', path: '/v1/refunds$' },
    });
    await cancelInTime(paid);
    await until('the flag', async () => (await payments.flagsOn(paid.intentId)).includes('refund_stuck'));
    await refundByHand(paid);
    const money = await untilMoney(paid, { refunded_amount: 40, payment_status: 'refunded' });
    expect(money.refunds).toMatchObject([{ status: 'succeeded', amount: 40 }]);
    expect(await openFlagsOf(paid)).toEqual([]);
  });

  describe('disputes', () => {
    const parked = (paid: PaidFor) =>
      until('a parked refund', async () => (await payments.refundsOf(paid.id))[0]?.status === 'parked');

    test('a refund during a dispute waits, and goes out when the dispute is won', async () => {
      const paid = await payments.holdAndPay();
      const { id } = await payments.control.createDispute(paid.intentId);
      await untilMoney(paid, { disputed_amount: 40 });
      await cancelInTime(paid);
      await parked(paid);
      await payments.control.closeDispute(id, 'won');
      const money = await untilMoney(paid, { refunded_amount: 40, payment_status: 'refunded' });
      expect(money.disputed_amount).toBe(0);
      expect((await payments.ledgerOf(paid.intentId)).refunds).toHaveLength(1);
      expect(await openFlagsOf(paid)).toEqual([]);
    });

    test('a lost dispute ends a refund that waits: the customer has the money, and staff get no further flag', async () => {
      const paid = await payments.holdAndPay();
      const { id } = await payments.control.createDispute(paid.intentId);
      await untilMoney(paid, { disputed_amount: 40 });
      await cancelInTime(paid);
      await parked(paid);
      await payments.control.closeDispute(id, 'lost');
      const money = await untilMoney(paid, { disputed_amount: 40, payment_status: 'refunded' });
      expect(money).toMatchObject({ refunded_amount: 0, refunds: [] });
      expect(await openFlagsOf(paid)).toMatchObject([
        { kind: 'dispute', detail: expect.stringContaining('lost') },
      ]);
      expect((await payments.ledgerOf(paid.intentId)).refunds).toEqual([]);
    });

    test('a refund refused because of a dispute that was not reported is parked, not given up', async () => {
      const paid = await payments.holdAndPay();
      await payments.control.setWebhookBehaviour({ loseRate: 1 });
      const { id } = await payments.control.createDispute(paid.intentId);
      await cancelInTime(paid);
      await parked(paid);
      expect(await payments.flagsOn(paid.intentId)).toEqual([]);
      await payments.control.setWebhookBehaviour({ loseRate: 0 });
      await payments.control.closeDispute(id, 'won');
      await untilMoney(paid, { refunded_amount: 40, payment_status: 'refunded' });
    });

    test('part of a payment is lost: the rest goes back, and no more', async () => {
      const paid = await payments.holdAndPay();
      const { id } = await payments.control.createDispute(paid.intentId, { amount: 1_000 });
      await untilMoney(paid, { disputed_amount: 10 });
      await cancelInTime(paid);
      await parked(paid);
      await payments.control.closeDispute(id, 'lost');
      const refused = await until('the refund is tried', async () => {
        const [refund] = await payments.refundsOf(paid.id);
        return refund?.status !== 'parked' && refund;
      });
      expect(refused.amount_minor).toBe(3_000);
    });

    test('an inquiry takes no money and keeps no refund back', async () => {
      const paid = await payments.holdAndPay();
      await payments.control.createDispute(paid.intentId, { isInquiry: true });
      await until('the flag', async () => (await openFlagsOf(paid)).length > 0);
      expect((await moneyOf(paid)).disputed_amount).toBe(0);
      await cancelInTime(paid);
      await untilMoney(paid, { refunded_amount: 40, payment_status: 'refunded' });
    });

    test('its events count in the order in which they happened, however they arrive', async () => {
      const paid = await payments.holdAndPay();
      await payments.control.setWebhookBehaviour({ loseRate: 1 });
      const { id } = await payments.control.createDispute(paid.intentId);
      await payments.control.closeDispute(id, 'lost');
      await payments.control.setWebhookBehaviour({ loseRate: 0 });
      const events = await payments.eventsOf([id]);
      expect(events.map(({ type }) => type.replace('charge.dispute.', ''))).toEqual([
        'created',
        'funds_withdrawn',
        'closed',
      ]);
      for (const event of events.reverse()) await payments.control.redeliver(event.id);
      expect(await moneyOf(paid)).toMatchObject({ disputed_amount: 40, payment_status: 'refunded' });
    });

    test('a dispute and a refund that are reported before their payment is known count once it is', async () => {
      const held = await payments.holdToPay();
      await payments.control.setWebhookBehaviour({ loseRate: 1 });
      const { id: strange } = await payments.strangeIntent(held);
      await payments.control.pay(strange);
      await payments.stripe.refunds.create({ payment_intent: strange, amount: 500 });
      const dispute = await payments.control.createDispute(strange);
      await payments.control.setWebhookBehaviour({ loseRate: 0 });
      const events = await payments.eventsOf([strange, dispute.id]);
      const last = (type: string) => events.filter((event) => event.type === type).at(-1)?.id ?? '';
      for (const type of ['charge.dispute.created', 'refund.created']) {
        expect(await payments.control.redeliver(last(type))).toEqual({ status: 200 });
      }
      await payments.control.redeliver(last('payment_intent.succeeded'));
      await payments.untilStatus(held.id, 'confirmed');
      await untilMoney({ ...held, intentId: strange }, { refunded_amount: 5, disputed_amount: 35 });
      expect(await payments.flagsOn(dispute.id)).toEqual(['dispute']);
    });
  });
});
