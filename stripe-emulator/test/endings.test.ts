import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failureOf, idOf, startKit, type Kit } from './kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
afterAll(() => kit.stop());

describe('changing, cancelling, capturing', () => {
  test('update changes the amount and merges metadata', async () => {
    const { id } = await kit.createIntent({ metadata: { a: '1', b: '2' } });
    const intent = await kit.stripe.paymentIntents.update(id, { amount: 6000, metadata: { a: '', c: '3' } });
    expect(intent.amount).toBe(6000);
    expect(intent.metadata).toEqual({ b: '2', c: '3' });
    const error = await failureOf(kit.stripe.paymentIntents.update(id, { amount: 10 }));
    expect(error.code).toBe('amount_too_small');
    expect((await kit.stripe.paymentIntents.retrieve(id)).amount).toBe(6000);
  });

  test('cancel is final: no payment and no second cancel after it', async () => {
    const { id } = await kit.createIntent();
    const intent = await kit.stripe.paymentIntents.cancel(id, { cancellation_reason: 'abandoned' });
    expect(intent).toMatchObject({ status: 'canceled', cancellation_reason: 'abandoned' });
    expect(Math.abs((intent.canceled_at ?? 0) - Date.now() / 1000)).toBeLessThan(5);
    const again = await failureOf(kit.stripe.paymentIntents.cancel(id));
    expect(again.code).toBe('payment_intent_unexpected_state');
    expect(again.message).toContain('because it has a status of canceled');
    const late = await failureOf(kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' }));
    expect(late.code).toBe('payment_intent_unexpected_state');
    expect(late.payment_intent?.status).toBe('canceled');
  });

  test('an unknown cancellation reason is refused', async () => {
    const { id } = await kit.createIntent();
    const params = { cancellation_reason: 'expired' } as Stripe.PaymentIntentCancelParams;
    expect((await failureOf(kit.stripe.paymentIntents.cancel(id, params))).param).toBe('cancellation_reason');
    expect((await kit.stripe.paymentIntents.retrieve(id)).status).toBe('requires_payment_method');
  });

  test('manual capture holds the money, then takes some or all of it', async () => {
    const { id } = await kit.createIntent({ capture_method: 'manual' });
    const held = await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' });
    expect(held).toMatchObject({ status: 'requires_capture', amount_capturable: 5000, amount_received: 0 });
    expect((await failureOf(kit.stripe.paymentIntents.capture(id, { amount_to_capture: 5001 }))).code).toBe(
      'amount_too_large',
    );
    const taken = await kit.stripe.paymentIntents.capture(id, { amount_to_capture: 4000 });
    expect(taken).toMatchObject({ status: 'succeeded', amount_capturable: 0, amount_received: 4000 });
    expect((await kit.stripe.refunds.create({ payment_intent: id })).amount).toBe(4000);
  });

  test('cancelling a held payment gives the hold back', async () => {
    const { id } = await kit.createIntent({ capture_method: 'manual' });
    await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' });
    const canceled = await kit.stripe.paymentIntents.cancel(id, { expand: ['latest_charge'] });
    expect(canceled).toMatchObject({
      status: 'canceled',
      amount_received: 0,
      latest_charge: { refunded: true },
    });
  });
});

describe('refunds', () => {
  async function paid(): Promise<string> {
    const { id } = await kit.createIntent();
    await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' });
    return id;
  }

  test('in parts until nothing is left, then charge_already_refunded', async () => {
    const id = await paid();
    const first = await kit.stripe.refunds.create({
      payment_intent: id,
      amount: 2000,
      reason: 'requested_by_customer',
      metadata: { purpose: 'late' },
    });
    expect(first).toMatchObject({
      object: 'refund',
      amount: 2000,
      status: 'succeeded',
      payment_intent: id,
      reason: 'requested_by_customer',
      metadata: { purpose: 'late' },
    });
    const over = await failureOf(kit.stripe.refunds.create({ payment_intent: id, amount: 3001 }));
    expect({ status: over.statusCode, param: over.param }).toEqual({ status: 400, param: 'amount' });
    const rest = await kit.stripe.refunds.create({ charge: idOf(first.charge) });
    expect(rest.amount).toBe(3000);
    const again = await failureOf(kit.stripe.refunds.create({ payment_intent: id }));
    expect({ status: again.statusCode, code: again.code }).toEqual({
      status: 400,
      code: 'charge_already_refunded',
    });
    expect(await kit.stripe.charges.retrieve(idOf(first.charge))).toMatchObject({
      amount_refunded: 5000,
      refunded: true,
    });
    expect(await kit.stripe.refunds.retrieve(rest.id)).toEqual(rest);
    const list = await kit.stripe.refunds.list({ payment_intent: id });
    expect(list.data.map((refund) => refund.id)).toEqual([rest.id, first.id]);
    expect((await kit.stripe.paymentIntents.retrieve(id)).status).toBe('succeeded');
  });

  test('what was not paid cannot be refunded', async () => {
    const { id } = await kit.createIntent();
    const error = await failureOf(kit.stripe.refunds.create({ payment_intent: id }));
    expect(error.message).toContain('does not have a successful charge to refund');
    const missing = await failureOf(kit.stripe.refunds.create({ payment_intent: 'pi_none' }));
    expect({ status: missing.statusCode, code: missing.code }).toEqual({
      status: 404,
      code: 'resource_missing',
    });
    expect((await failureOf(kit.stripe.refunds.create({}))).code).toBe('parameter_missing');
    const odd = { payment_intent: await paid(), reason: 'boredom' } as Stripe.RefundCreateParams;
    expect((await failureOf(kit.stripe.refunds.create(odd))).param).toBe('reason');
  });

  test('a refund that fails gives the money back to the charge', async () => {
    const id = await paid();
    const refund = await kit.stripe.refunds.create({ payment_intent: id });
    await kit.control.failRefund(refund.id);
    expect(await kit.stripe.refunds.retrieve(refund.id)).toMatchObject({
      status: 'failed',
      failure_reason: 'lost_or_stolen_card',
    });
    expect(await kit.stripe.charges.retrieve(idOf(refund.charge))).toMatchObject({
      amount_refunded: 0,
      refunded: false,
    });
    expect((await kit.stripe.refunds.create({ payment_intent: id })).amount).toBe(5000);
  });

  test('a slow refund is pending until it arrives', async () => {
    const { id } = await kit.createIntent();
    await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_pendingRefund' });
    const refund = await kit.stripe.refunds.create({ payment_intent: id });
    expect(refund.status).toBe('pending');
    await kit.control.settleRefund(refund.id);
    expect((await kit.stripe.refunds.retrieve(refund.id)).status).toBe('succeeded');
  });

  test('a disputed charge cannot be refunded', async () => {
    const id = await paid();
    const dispute = await kit.control.createDispute(id);
    expect(await kit.stripe.disputes.retrieve(dispute.id)).toMatchObject({
      payment_intent: id,
      amount: 5000,
    });
    expect((await failureOf(kit.stripe.refunds.create({ payment_intent: id }))).code).toBe('charge_disputed');
  });
});
