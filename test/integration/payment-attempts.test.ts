import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { rows } from '../../db/knex.ts';
import { declinesMax } from '../../domain/limits.ts';
import { expectProblem } from '../factories.ts';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, startPayments } from './payment-kit.ts';

describe('the attempts to pay for a hold', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments();
  });
  afterAll(() => payments.stop());

  const decline = ({ intentId }: PaidFor) =>
    payments.control.pay(intentId, 'pm_card_visa_chargeDeclined').catch(() => undefined);

  const historyOf = async ({ ref }: PaidFor) =>
    (await payments.temporal.workflow.getHandle(`booking-${ref}`).fetchHistory()).events ?? [];

  test('declined cards cost the workflow nothing, and the tenth closes the PaymentIntent for good', async () => {
    const held = await payments.holdToPay();
    await payments.untilCarried(held.ref);
    for (let attempt = 1; attempt < declinesMax; attempt++) await decline(held);
    await until('they are counted', async () => {
      const [payment] = await rows<{ declines: number }>(
        payments.db,
        'select declines from payments where booking_id = ?',
        [held.id],
      );
      return payment?.declines === declinesMax - 1;
    });
    const before = (await historyOf(held)).length;
    expect(before).toBeLessThan(15);
    expect((await payments.show(held.id)).payment_status).toBe('failed');
    expect((await payments.askForIntent(held.id)).status).toBe(201);

    await decline(held);
    await until('it is canceled', async () => (await payments.ledgerOf(held.intentId)).status === 'canceled');
    expectProblem(await payments.askForIntent(held.id), 'too_many_payment_attempts');
    expect((await historyOf(held)).length - before).toBeLessThan(20);
    expect((await payments.facts(held.id)).status).toBe('pending');
  });

  test('nine declined cards, and the tenth pays', async () => {
    const held = await payments.holdToPay();
    for (let attempt = 1; attempt < declinesMax; attempt++) await decline(held);
    await payments.control.pay(held.intentId);
    await payments.untilStatus(held.id, 'confirmed');
  });

  test('a decline that is told a hundred times counts once', async () => {
    const held = await payments.holdToPay();
    await decline(held);
    await payments.control.whenDelivered();
    const [event] = (await payments.eventsOf([held.intentId])).filter(({ type }) =>
      type.endsWith('payment_failed'),
    );
    await Promise.all(Array.from({ length: 100 }, () => payments.control.redeliver(event?.id ?? '')));
    const [payment] = await rows(payments.db, 'select declines from payments where booking_id = ?', [
      held.id,
    ]);
    expect(payment).toEqual({ declines: 1 });
  });

  test('an older decline that arrives after `processing` does not hide it', async () => {
    const held = await payments.holdToPay();
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    await decline(held);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await payments.control.startProcessing(held.intentId);
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
    const events = await payments.eventsOf([held.intentId]);
    for (const type of ['processing', 'payment_failed']) {
      const event = events.find((one) => one.type === `payment_intent.${type}`);
      await payments.control.redeliver(event?.id ?? '');
    }
    expect((await payments.show(held.id)).payment_status).toBe('processing');
  });

  test('a PaymentIntent that Stripe does not have is followed by another when the guest asks again', async () => {
    const held = await payments.holdToPay();
    await rows(
      payments.db,
      "update payments set stripe_payment_intent_id = 'pi_of_another_account' where booking_id = ?",
      [held.id],
    );
    const again = await payments.askForIntent(held.id);
    expect([again.status, again.body.status]).toEqual([201, 'requires_payment_method']);
    expect(await payments.paymentsOf(held.id)).toMatchObject([
      { attempt: 1, status: 'canceled' },
      { attempt: 2, intent_id: again.body.payment_intent_id },
    ]);
    expect(await payments.flagsOn('pi_of_another_account')).toEqual(['payment_mismatch']);
    await payments.control.pay(again.body.payment_intent_id);
    await payments.untilStatus(held.id, 'confirmed');
  });

  test('asked again under the same Idempotency-Key, too', async () => {
    const held = await payments.hold();
    const ask = () =>
      payments.call('POST', '/api/payment-intent/', {
        token: payments.guest.token,
        body: { booking_id: held.id },
        headers: { 'Idempotency-Key': `again-${held.id}` },
      });
    expect((await ask()).status).toBe(201);
    await rows(payments.db, 'update payments set stripe_payment_intent_id = ? where booking_id = ?', [
      `pi_gone_${held.id}`,
      held.id,
    ]);
    const again = await ask();
    expect([again.status, again.body.status]).toEqual([201, 'requires_payment_method']);
  });

  test('a payment that is processing for days is asked for more and more seldom', async () => {
    const held = await payments.holdToPay();
    await payments.control.startProcessing(held.intentId);
    const activities = createActivities({ ...payments.system.server.deps, freeCancelHours: 24 });
    const waits: unknown[] = [];
    for (const age of ['1 second', '10 minutes', '1 hour', '3 days']) {
      await rows(payments.db, `update payments set created_at = now() - ?::interval where booking_id = ?`, [
        age,
        held.id,
      ]);
      const owner = { bookingRef: held.ref, actor: 'test', workflowId: `booking-${held.ref}` };
      waits.push(
        await activities
          .closePayments(owner)
          .catch((error: { nextRetryDelay: unknown }) => error.nextRetryDelay),
      );
    }
    const seconds = waits.map((wait) => Math.round(Number(wait) / 1_000));
    expect(seconds).toEqual([1, 60, 360, 900]);
  });
});
