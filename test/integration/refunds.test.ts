import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import type { FaultKind } from 'stripe-emulator';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';

describe('refunds', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments();
  });
  afterEach(async () => {
    await payments.control.clearFaults();
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
  });
  afterAll(() => payments.stop());

  const refundRequest = { method: 'POST', path: '/v1/refunds$' };
  const strike = (kind: FaultKind, count = 1) =>
    payments.control.failNext({ kind, count, match: refundRequest });

  const untilRefund = ({ id }: PaidFor, status: string, timeoutMs = 10_000) =>
    until(
      `the refund of booking ${id} is ${status}`,
      async () => {
        const refunds = await payments.refundsOf(id);
        return refunds.length > 0 && refunds.every((refund) => refund.status === status);
      },
      timeoutMs,
    );

  async function cancelInTime(paid: PaidFor): Promise<void> {
    const { status, body } = await payments.cancel(paid.id);
    expect([status, body.status]).toEqual([200, 'cancelled']);
  }

  async function expectOneFullRefund(paid: PaidFor): Promise<void> {
    const { refunds, refundedMinor } = await payments.ledgerOf(paid.intentId);
    expect(refunds).toHaveLength(1);
    expect(refundedMinor).toBe(priceMinor);
    expect(await payments.refundsOf(paid.id)).toMatchObject([
      { status: 'succeeded', amount_minor: priceMinor },
    ]);
    expect(await payments.facts(paid.id)).toMatchObject({ status: 'cancelled', payment_status: 'refunded' });
  }

  /** Pays with a card whose refunds take their time. */
  async function holdAndPaySlowly(): Promise<PaidFor> {
    const paid = await payments.holdToPay();
    await payments.control.pay(paid.intentId, 'pm_card_pendingRefund');
    await payments.untilStatus(paid.id, 'confirmed');
    return paid;
  }

  test('ST-23 a refund has one key, made from its payment, and is decided and sent once', async () => {
    const paid = await payments.holdAndPay();
    await Promise.all(Array.from({ length: 5 }, () => cancelInTime(paid)));
    await untilRefund(paid, 'succeeded');
    await expectOneFullRefund(paid);
    const [refund] = await payments.refundsOf(paid.id);
    const made = (await payments.eventsOf([paid.intentId])).filter(
      (event) => event.type === 'refund.created',
    );
    expect(made.map((event) => event.request?.idempotency_key)).toEqual([`refund:${refund?.ref}:1`]);
  });

  test('ST-23 the same refund sent five times at once, as if no answer had come, is one refund', async () => {
    const paid = await payments.holdAndPay();
    await strike('drop_after_effect', 4);
    await cancelInTime(paid);
    const [refund] = await payments.refundsOf(paid.id);
    const activities = createActivities({ ...payments.system.server.deps, freeCancelHours: 24 });
    await Promise.allSettled(
      Array.from({ length: 5 }, () => activities.sendRefund({ refundRef: refund?.ref ?? '' })),
    );
    await untilRefund(paid, 'succeeded');
    await expectOneFullRefund(paid);
  });

  // Without its webhooks, so that only our own request can tell us how it went.
  test.each<[FaultKind, number]>([
    ['500', 2],
    ['500_after_effect', 1],
    ['drop_after_effect', 2],
  ])(
    'ST-23 a %s (%i of them): the money goes back once all the same, without a webhook',
    async (kind, count) => {
      const paid = await payments.holdAndPay();
      await payments.control.setWebhookBehaviour({ loseRate: 1 });
      await strike(kind, count);
      await cancelInTime(paid);
      await untilRefund(paid, 'succeeded', 15_000);
      await payments.control.setWebhookBehaviour({ loseRate: 0 });
      await expectOneFullRefund(paid);
    },
  );

  test('ST-23 eight refunds at once in every kind of trouble, a hanging Stripe included, are eight refunds', async () => {
    const paid = await Promise.all(Array.from({ length: 8 }, () => payments.holdAndPay()));
    const kinds: FaultKind[] = [
      'timeout',
      'timeout_after_effect',
      '500',
      '500_after_effect',
      '503',
      '429',
      'drop_before',
      'drop_after_effect',
    ];
    for (const kind of kinds) await strike(kind);
    await Promise.all(paid.map(cancelInTime));
    for (const one of paid) await untilRefund(one, 'succeeded', 15_000);
    for (const one of paid) await expectOneFullRefund(one);
  });

  test('ST-23 a slow refund is visible on its way and when it has arrived', async () => {
    const paid = await holdAndPaySlowly();
    await cancelInTime(paid);
    await untilRefund(paid, 'submitted');
    expect(await payments.show(paid.id)).toMatchObject({
      payment_status: 'succeeded',
      payment: { refund: { status: 'submitted', amount: 40 } },
    });
    const { refunds } = await payments.ledgerOf(paid.intentId);
    await payments.control.settleRefund(refunds[0]?.id ?? '');
    await untilRefund(paid, 'succeeded');
    expect((await payments.show(paid.id)).payment_status).toBe('refunded');
  });

  test.each([
    ['on its way', holdAndPaySlowly, 'submitted'],
    ['that had succeeded', () => payments.holdAndPay(), 'succeeded'],
  ] as const)(
    'ST-23 a refund %s that fails at the bank is flagged, visible, and not repeated',
    async (_, pay, first) => {
      const paid = await pay();
      await cancelInTime(paid);
      await untilRefund(paid, first);
      const { refunds } = await payments.ledgerOf(paid.intentId);
      const refundId = refunds[0]?.id ?? '';
      await payments.control.failRefund(refundId);
      await untilRefund(paid, 'failed');
      expect(await payments.flagsOn(refundId)).toEqual(['refund_failed']);
      expect(await payments.show(paid.id)).toMatchObject({
        status: 'cancelled',
        payment_status: 'succeeded',
        payment: { refund: { status: 'failed' } },
      });
      // Late and repeated events of its better days change nothing.
      for (const event of await payments.eventsOf([refundId])) await payments.control.redeliver(event.id);
      expect((await payments.refundsOf(paid.id))[0]).toMatchObject({ status: 'failed' });
      expect((await payments.show(paid.id)).payment_status).toBe('succeeded');
      expect((await payments.ledgerOf(paid.intentId)).refunds).toHaveLength(1);
    },
  );

  test('ST-23 a refund that Stripe refuses for good is flagged at once, with Stripe’s reason', async () => {
    const paid = await payments.holdAndPay();
    await payments.control.failNext({
      kind: '400',
      refusal: { code: 'charge_not_refundable', message: 'This charge takes no refunds.' },
      match: refundRequest,
    });
    await cancelInTime(paid);
    await until('the flag', async () => (await payments.flagsOn(paid.intentId)).includes('refund_stuck'));
    const [refund] = await payments.refundsOf(paid.id);
    expect(refund).toMatchObject({ status: 'refused' });
    expect(refund?.last_error).toContain('takes no refunds');
    expect((await payments.ledgerOf(paid.intentId)).refunds).toEqual([]);
    expect((await payments.show(paid.id)).payment).toMatchObject({
      refunded_amount: 0,
      refund: { status: 'refused', amount: 40 },
    });
  });

  test.each<FaultKind>(['401', '403'])(
    'ST-23 a refund met by a key that Stripe refuses (%s) is no person’s: it goes on by itself',
    async (kind) => {
      const paid = await payments.holdAndPay();
      await strike(kind, 2);
      await cancelInTime(paid);
      await until('a try', async () => (await payments.refundsOf(paid.id))[0]?.last_error);
      await untilRefund(paid, 'succeeded', 15_000);
      await expectOneFullRefund(paid);
      expect(await payments.flagsOn(paid.intentId)).toEqual([]);
    },
  );

  test('ST-23 refunded by hand at Stripe: shown, flagged, the booking stands; cancelling refunds no second time', async () => {
    const paid = await payments.holdAndPay();
    await payments.stripe.refunds.create({ payment_intent: paid.intentId });
    await until('the flag', async () => (await payments.flagsOn(paid.intentId)).length > 0);
    expect(await payments.flagsOn(paid.intentId)).toEqual(['refunded_at_stripe']);
    expect(await payments.facts(paid.id)).toMatchObject({ status: 'confirmed', payment_status: 'refunded' });
    await cancelInTime(paid);
    await untilRefund(paid, 'succeeded');
    await expectOneFullRefund(paid);
  });

  test('ST-23 refunded by hand while ours is still to be sent: one refund', async () => {
    const paid = await payments.holdAndPay();
    await strike('503', 2);
    await cancelInTime(paid);
    await until('a try', async () => (await payments.refundsOf(paid.id))[0]?.last_error);
    await payments.control.clearFaults();
    await payments.stripe.refunds.create({ payment_intent: paid.intentId }).catch(() => 'ours was faster');
    await untilRefund(paid, 'succeeded');
    await expectOneFullRefund(paid);
  });

  test('ST-23 ours first: a refund by hand afterwards finds nothing to give back', async () => {
    const paid = await payments.holdAndPay();
    await cancelInTime(paid);
    await untilRefund(paid, 'succeeded');
    await expect(payments.stripe.refunds.create({ payment_intent: paid.intentId })).rejects.toMatchObject({
      code: 'charge_already_refunded',
    });
    await payments.control.whenDelivered();
    expect(await payments.flagsOn(paid.intentId)).toEqual([]);
    await expectOneFullRefund(paid);
  });

  test('ST-23 where part was given back by hand, cancelling gives back the rest', async () => {
    const paid = await payments.holdAndPay();
    await payments.stripe.refunds.create({ payment_intent: paid.intentId, amount: 1_000 });
    await payments.control.whenDelivered();
    expect(await payments.facts(paid.id)).toMatchObject({ status: 'confirmed', payment_status: 'succeeded' });
    await cancelInTime(paid);
    await untilRefund(paid, 'succeeded');
    const { refunds, refundedMinor } = await payments.ledgerOf(paid.intentId);
    expect(refunds.map((refund) => refund.amount).sort()).toEqual([1_000, 3_000]);
    expect(refundedMinor).toBe(priceMinor);
  });

  test('ST-23 the event of a part given back by hand is not taken for our own refund', async () => {
    const paid = await payments.holdAndPay();
    const byHand = await payments.stripe.refunds.create({ payment_intent: paid.intentId, amount: 1_000 });
    await payments.control.whenDelivered();
    await strike('503', 2);
    await cancelInTime(paid);
    await payments.control.deliverEvent({ type: 'refund.updated', object: byHand.id });
    await untilRefund(paid, 'succeeded', 15_000);
    expect((await payments.ledgerOf(paid.intentId)).refundedMinor).toBe(priceMinor);
  });
});
