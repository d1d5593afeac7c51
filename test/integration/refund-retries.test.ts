import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { expectProblem } from '../factories.ts';
import { signInStaff } from '../setup/panel.ts';
import { type TestUser, until } from '../setup/system.ts';
import { type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';

/** A refund that Stripe refuses temporarily is retried; one that it refuses permanently is left to staff. */
describe('refunds that Stripe refuses', () => {
  let payments: Payments;
  let staff: TestUser;
  beforeAll(async () => {
    payments = await startPayments();
    staff = await payments.system.newUser({ isStaff: true });
  });
  afterEach(() => payments.control.clearFaults());
  afterAll(() => payments.stop());

  const refuse = (code: string, count = 1) =>
    payments.control.failNext({
      kind: '400',
      count,
      refusal: { code, message: `Refused: ${code}.` },
      match: { method: 'POST', path: '/v1/refunds$' },
    });

  const untilStatus = (paid: PaidFor, status: string) =>
    until(
      `the refund is ${status}`,
      async () =>
        (await payments.refundsOf(paid.id)).at(-1)?.status === status && payments.refundsOf(paid.id),
      15_000,
    );

  const retry = (id: number | undefined, token = staff.token) =>
    payments.call('POST', `/api/staff/refunds/${id}/retry/`, { token });

  const refundAsStaff = ({ id }: PaidFor) =>
    payments.call('POST', `/api/bookings/${id}/cancel/`, { token: staff.token, body: { refund: true } });

  test.each([
    'balance_insufficient',
    'insufficient_funds',
    'lock_timeout',
    'resource_missing',
    'a_code_of_tomorrow',
  ])('%s passes: the refund is tried again under another key, until it goes through', async (code) => {
    const paid = await payments.holdAndPay();
    await refuse(code, 2);
    await payments.cancel(paid.id);
    await untilStatus(paid, 'succeeded');
    expect(await payments.flagsOn(paid.intentId)).toEqual([]);
    const { refunds, refundedMinor } = await payments.ledgerOf(paid.intentId);
    expect([refunds.length, refundedMinor]).toEqual([1, priceMinor]);
  });

  async function refusedForGood(): Promise<PaidFor> {
    const paid = await payments.holdAndPay();
    await refuse('charge_not_refundable');
    await payments.cancel(paid.id);
    await untilStatus(paid, 'refused');
    return paid;
  }

  test('refused for good, staff retries it by the API: it is sent, and its flag is resolved', async () => {
    const paid = await refusedForGood();
    const [refund] = await payments.refundsOf(paid.id);
    expectProblem(await retry(refund?.id, payments.guest.token), 'staff_only');
    const answer = await retry(refund?.id);
    expect([answer.status, answer.body]).toEqual([
      202,
      expect.objectContaining({ id: refund?.id, status: 'pending', amount: 40, currency: 'usd' }),
    ]);
    await untilStatus(paid, 'succeeded');
    const open = await rows(payments.db, 'select 1 from flags where subject = ? and resolved_at is null', [
      paid.intentId,
    ]);
    expect(open).toEqual([]);
    expectProblem(await retry(refund?.id), 'refund_not_retryable');
    expectProblem(await retry(999_999), 'refund_not_found');
    expect((await payments.ledgerOf(paid.intentId)).refunds).toHaveLength(1);
  });

  test('refused for good, staff cancels the cancelled booking with a refund: it is sent', async () => {
    const paid = await refusedForGood();
    const answer = await refundAsStaff(paid);
    expect(answer.status).toBe(200);
    expect(answer.body.payment.refund.status).not.toBe('refused');
    await untilStatus(paid, 'succeeded');
    expect((await payments.ledgerOf(paid.intentId)).refunds).toHaveLength(1);
  });

  test('refused for good, staff retries it in the panel', async () => {
    const paid = await refusedForGood();
    const [refund] = await payments.refundsOf(paid.id);
    const { browser } = await signInStaff(payments.system);
    const page = await browser.get(`/admin/bookings/${paid.id}`);
    expect(page.text).toContain(`/admin/bookings/${paid.id}/refunds/${refund?.id}/retry`);
    const sent = await browser.fill(`/admin/bookings/${paid.id}/refunds/${refund?.id}/retry`);
    expect(sent.status).toBe(303);
    await untilStatus(paid, 'succeeded');
  });

  test('a refund that the bank has returned is made anew, once, however often staff asks', async () => {
    const paid = await payments.holdAndPay();
    await payments.cancel(paid.id);
    await untilStatus(paid, 'succeeded');
    const [made] = (await payments.ledgerOf(paid.intentId)).refunds;
    await payments.control.failRefund(made?.id ?? '');
    await untilStatus(paid, 'failed');
    const [failed] = await payments.refundsOf(paid.id);
    const answers = await Promise.all(Array.from({ length: 5 }, () => retry(failed?.id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409, 409, 409]);
    await untilStatus(paid, 'succeeded');
    expect((await payments.ledgerOf(paid.intentId)).refundedMinor).toBe(priceMinor);
    expect((await payments.show(paid.id)).payment_status).toBe('refunded');
  });

  test('while the customer disputes the payment staff see that the refund waits', async () => {
    const paid = await payments.holdAndPay();
    await payments.control.createDispute(paid.intentId);
    await payments.cancel(paid.id);
    const [refund] = await untilStatus(paid, 'parked');
    expectProblem(await retry(refund?.id), 'refund_not_retryable');
    expectProblem(await refundAsStaff(paid), 'not_refundable');
    expect((await payments.ledgerOf(paid.intentId)).refunds).toEqual([]);
  });

  test('the rest of the money kept by a late cancellation is refunded when staff ask for it', async () => {
    const paid = await payments.holdAndPay();
    await payments.stripe.refunds.create({ payment_intent: paid.intentId, amount: 1_000 });
    await until('the part', async () => (await payments.refundsOf(paid.id)).length === 1);
    await rows(
      payments.db,
      `update bookings set during = tstzrange(now() + '1 hour', now() + '2 hours') where id = ?`,
      [paid.id],
    );
    await payments.cancel(paid.id);
    expect(await payments.refundsOf(paid.id)).toHaveLength(1);
    expect((await refundAsStaff(paid)).status).toBe(200);
    await until(
      'the rest',
      async () => (await payments.ledgerOf(paid.intentId)).refundedMinor === priceMinor,
    );
    const again = await refundAsStaff(paid);
    expect([again.status, again.body.payment_status]).toEqual([200, 'refunded']);
    expect((await payments.ledgerOf(paid.intentId)).refunds).toHaveLength(2);
  });
});
