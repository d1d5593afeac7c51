import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repairBookings } from '../../core/reconcile/repair-bookings.ts';
import { rows } from '../../db/knex.ts';
import { endOutdatedFlags, flagUndecidedMoney } from '../../db/reconcile.ts';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';

/** A run that has ended is never taken for one that will see what came after it. */
describe('money whose workflow has ended', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments();
  });
  afterAll(() => payments.stop());

  const workflows = { statusOf: async () => 'RUNNING', countRunning: async () => 0 };
  const repair = () => repairBookings({ ...payments.system.server.deps, freeCancelHours: 24, workflows });
  const statusOf = async (intentId: string) => (await payments.ledgerOf(intentId)).refundedMinor;

  const untilCompleted = (workflowId: string) =>
    until(`${workflowId} has ended`, async () => {
      const run = await payments.temporal.workflow
        .getHandle(workflowId)
        .describe()
        .catch(() => undefined);
      return run?.status.name === 'COMPLETED';
    });

  /** A payment that counts as canceled here and can be paid at Stripe, of a hold that has expired. */
  async function lapse(): Promise<PaidFor> {
    const held = await payments.holdToPay();
    await rows(payments.db, "update payments set status = 'canceled' where booking_id = ?", [held.id]);
    await rows(payments.db, 'update bookings set hold_expires_at = clock_timestamp() where id = ?', [
      held.id,
    ]);
    await until('it has expired', async () => {
      await payments.call('POST', '/api/cleanup-expired-bookings');
      return (await payments.facts(held.id)).status === 'expired';
    });
    return held;
  }

  test('declined and then paid late: the second event is decided although the first has had its workflow', async () => {
    const held = await lapse();
    await untilCompleted(`booking-${held.ref}`);
    await payments.control.pay(held.intentId, 'pm_card_visa_chargeDeclined').catch(() => undefined);
    await payments.untilCarried(held.ref);
    const [payment] = await payments.paymentsOf(held.id);
    const { workflow } = payments.temporal;
    await untilCompleted(`late-payment-${payment?.ref}`);
    await payments.control.pay(held.intentId);
    await payments.untilStatus(held.id, 'confirmed');
    const { workflow_id: owner } = await payments.facts(held.id);
    expect(owner).toMatch(new RegExp(`^late-payment-${payment?.ref}-\\d+$`));
    expect((await workflow.getHandle(owner).describe()).status.name).toBe('RUNNING');
    expect((await payments.cancel(held.id)).status).toBe(200);
    await until('the refund', async () => (await statusOf(held.intentId)) === priceMinor);
  });

  test('a refund that a failover has lost is decided and sent again, once', async () => {
    const held = await lapse();
    await payments.holdToPay(held.roomId);
    await payments.control.failNext({
      kind: '503',
      count: 100_000,
      match: { method: 'POST', path: '/v1/refunds$' },
    });
    await payments.control.pay(held.intentId);
    await until('the decision', async () => (await payments.refundsOf(held.id)).length === 1);
    await payments.untilCarried(held.ref);
    await rows(payments.db, 'delete from refunds where booking_id = ?', [held.id]);
    await payments.control.clearFaults();
    await until('the repair', async () => {
      const past = "update payments set updated_at = now() - interval '1 hour' where booking_id = ?";
      await rows(payments.db, past, [held.id]);
      return (await repair()).refundsStartedAgain === 1;
    });
    await until('the refund', async () => (await statusOf(held.intentId)) === priceMinor);
    await until('it is known', async () => (await payments.facts(held.id)).payment_status === 'refunded');
    expect((await repair()).refundsStartedAgain).toBe(0);
    expect((await payments.ledgerOf(held.intentId)).refunds).toHaveLength(1);
  });

  test('a refund that Stripe has made and a restored database has lost is not made twice', async () => {
    const held = await lapse();
    await payments.holdToPay(held.roomId);
    await payments.control.pay(held.intentId);
    await until('the refund', async () => (await payments.refundsOf(held.id))[0]?.status === 'succeeded');
    await rows(payments.db, 'delete from refunds where booking_id = ?', [held.id]);
    await rows(
      payments.db,
      "update payments set updated_at = now() - interval '1 hour' where booking_id = ?",
      [held.id],
    );
    expect((await repair()).refundsStartedAgain).toBe(1);
    await until('it is known again', async () => {
      const refunds = await payments.refundsOf(held.id);
      return refunds.length === 1 && refunds[0]?.status === 'succeeded';
    });
    expect((await payments.ledgerOf(held.intentId)).refunds).toHaveLength(1);
  });

  test('a refund to be sent whose workflow has ended well gets another', async () => {
    const paid = await payments.holdAndPay();
    await payments.cancel(paid.id);
    await until('the refund', async () => (await payments.refundsOf(paid.id))[0]?.status === 'succeeded');
    const [refund] = await payments.refundsOf(paid.id);
    await untilCompleted(`refund-${refund?.ref}`);
    await rows(
      payments.db,
      `update refunds set status = 'pending', stripe_refund_id = null, updated_at = now() - interval '1 hour' where id = ?`,
      [refund?.id],
    );
    expect((await repair()).refundsStartedAgain).toBe(1);
    await until(
      'it is known again',
      async () => (await payments.refundsOf(paid.id))[0]?.status === 'succeeded',
    );
    expect((await payments.ledgerOf(paid.intentId)).refunds).toHaveLength(1);
  });

  test('money that nothing is decided about for ten minutes is flagged, until it is decided', async () => {
    const paid = await payments.holdAndPay();
    const age = "updated_at = now() - interval '11 minutes'";
    await payments.asOwner((owner) =>
      owner.query(
        `alter table payments disable trigger payments_decided_once;
         update payments set decision = null, ${age} where booking_id = ${paid.id};
         alter table payments enable trigger payments_decided_once`,
      ),
    );
    expect(await flagUndecidedMoney(payments.db, 100)).toBe(1);
    expect(await payments.flagsOn(paid.intentId)).toEqual(['payment_undecided']);
    await rows(payments.db, "update payments set decision = 'kept' where booking_id = ?", [paid.id]);
    expect(await flagUndecidedMoney(payments.db, 100)).toBe(0);
    await endOutdatedFlags(payments.db);
    const open = await rows(payments.db, 'select 1 from flags where subject = ? and resolved_at is null', [
      paid.intentId,
    ]);
    expect(open).toEqual([]);
  });

  test('a payment is decided once: nothing changes a decision, and no refund exceeds what came', async () => {
    const paid = await payments.holdAndPay();
    await expect(
      rows(payments.db, "update payments set decision = 'returned' where booking_id = ?", [paid.id]),
    ).rejects.toMatchObject({ constraint: 'payments_decided_once' });
    const refund = (amount: number) =>
      rows(
        payments.db,
        `insert into refunds (payment_id, booking_id, reason, amount_minor, currency, status)
         select id, booking_id, 'staff:' || gen_random_uuid(), ?, currency, 'refused' from payments where booking_id = ?`,
        [amount, paid.id],
      );
    const made = await Promise.allSettled(Array.from({ length: 8 }, () => refund(1_500)));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    for (const outcome of made) {
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ constraint: 'payments_not_over_refunded' });
      }
    }
  });
});
