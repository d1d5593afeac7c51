import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { until } from '../setup/system.ts';
import { type Held, type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';

describe('money that comes when it should not', { timeout: 60_000 }, () => {
  let payments: Payments;
  let temporal: Connection;
  let workflows: Client['workflow'];
  beforeAll(async () => {
    payments = await startPayments({ settings: { HOLD_MINUTES: '0.03' } });
    const { address, namespace } = payments.system.config.temporal;
    temporal = await Connection.connect({ address });
    ({ workflow: workflows } = new Client({ connection: temporal, namespace }));
  });
  afterAll(async () => {
    await temporal.close();
    await payments.stop();
  });

  /** The hold has lapsed, its PaymentIntent is canceled, and its workflow has ended. */
  async function lapse(room?: number): Promise<PaidFor> {
    const held = await payments.holdToPay(room);
    await payments.untilStatus(held.id, 'expired');
    await untilEnded(`booking-${held.ref}`);
    return held;
  }

  const untilEnded = (workflowId: string) =>
    until(`${workflowId} has ended`, async () => {
      const { status } = await workflows.getHandle(workflowId).describe();
      return status.name === 'COMPLETED';
    });

  /** Stripe takes money for a PaymentIntent that it had canceled: only a fault of Stripe's, or of ours, can do that. */
  async function payAfterAll({ intentId }: PaidFor): Promise<void> {
    await payments.control.setPaymentIntent(intentId, {
      status: 'requires_payment_method',
      canceled_at: null,
    });
    await payments.control.pay(intentId);
  }

  /** A second PaymentIntent that names the booking is paid. @returns its id */
  async function payStrangeIntent(held: Held): Promise<string> {
    const { id } = await payments.strangeIntent(held);
    await payments.control.pay(id);
    return id;
  }

  async function untilRefunded(intentId: string, bookingId: number, reason: string): Promise<void> {
    await until(
      `the refund of ${intentId}`,
      async () => (await payments.ledgerOf(intentId)).refundedMinor > 0,
    );
    const { refunds, refundedMinor } = await payments.ledgerOf(intentId);
    expect([refunds.length, refundedMinor]).toEqual([1, priceMinor]);
    await until('the record of it', async () => {
      const found = await payments.refundsOf(bookingId);
      return found.some((refund) => refund.status === 'succeeded' && refund.reason === reason);
    });
  }

  const deliverTenTimes = (intentId: string) =>
    Promise.all(
      Array.from({ length: 10 }, () =>
        payments.control.deliverEvent({ type: 'payment_intent.succeeded', object: intentId }),
      ),
    );

  test.concurrent('ST-20 the slot is free: confirmed after all, by a workflow of its own, to which a cancellation goes', async ({
    expect,
  }) => {
    const held = await lapse();
    await payAfterAll(held);
    await deliverTenTimes(held.intentId);
    await payments.untilStatus(held.id, 'confirmed');
    const [payment] = await payments.paymentsOf(held.id);
    const { workflow_id: owner, payment_status } = await payments.facts(held.id);
    expect([owner, payment_status]).toEqual([`late-payment-${payment?.ref}`, 'succeeded']);
    expect(await payments.moves(held.id)).toEqual(['pending', 'expired', 'confirmed']);
    expect((await workflows.getHandle(owner).describe()).status.name).toBe('RUNNING');
    expect((await payments.ledgerOf(held.intentId)).refunds).toEqual([]);

    const { status, body } = await payments.cancel(held.id);
    expect([status, body.status]).toEqual([200, 'cancelled']);
    await untilRefunded(held.intentId, held.id, 'cancelled');
    await untilEnded(owner);
  });

  const waysToPayLate: [string, (held: PaidFor) => Promise<unknown>][] = [
    ['late money', payAfterAll],
    ['late money of a PaymentIntent that no row knew', payStrangeIntent],
  ];
  test.concurrent.for(waysToPayLate)(
    'TM-16 the workflow that %s has brought is terminated: the reconciler starts it again',
    async ([, pay], { expect }) => {
      const held = await lapse();
      await pay(held);
      await payments.untilStatus(held.id, 'confirmed');
      const { workflow_id: lost } = await payments.facts(held.id);
      await workflows.getHandle(lost).terminate('an operator’s mistake');
      await rows(payments.db, `update bookings set updated_at = now() - interval '5 minutes' where id = ?`, [
        held.id,
      ]);
      const { taskQueue } = payments.system.config.temporal;
      await workflows.execute('reconcileWorkflow', { taskQueue, workflowId: `reconcile-${randomUUID()}` });
      const { workflow_id: owner } = await payments.facts(held.id);
      await until('its owner again', async () => {
        const found = await workflows
          .getHandle(owner)
          .describe()
          .catch(() => undefined);
        return found?.status.name === 'RUNNING';
      });
      const { status, body } = await payments.cancel(held.id);
      expect([status, body.status]).toEqual([200, 'cancelled']);
      await untilEnded(owner);
    },
  );

  test.concurrent('ST-20 confirmed after all and never cancelled: completed at its end, by the workflow that confirmed it', async ({
    expect,
  }) => {
    const held = await lapse();
    // As if the stay were about to begin and to end: the workflow reads its end when it confirms.
    await rows(
      payments.db,
      `update bookings set during = tstzrange(soon, soon + interval '1 second'),
              booking_date = wall::date, start_time = wall::time, end_time = wall::time + interval '1 second'
         from (select soon, soon at time zone 'UTC' as wall
                 from (select date_trunc('milliseconds', now()) + interval '5 seconds' as soon) s) s
        where id = ?`,
      [held.id],
    );
    await payAfterAll(held);
    await payments.untilStatus(held.id, 'completed');
    expect(await payments.moves(held.id)).toEqual(['pending', 'expired', 'confirmed', 'completed']);
    await untilEnded((await payments.facts(held.id)).workflow_id);
  });

  test.concurrent('ST-20 the slot is taken: given back once, whatever is delivered, and the rival is untouched', async ({
    expect,
  }) => {
    const held = await lapse();
    const rival = await payments.holdToPay(held.roomId);
    await payments.control.pay(rival.intentId);
    await payments.untilStatus(rival.id, 'confirmed');
    await payAfterAll(held);
    await deliverTenTimes(held.intentId);
    await untilRefunded(held.intentId, held.id, 'late');
    await deliverTenTimes(held.intentId);
    await payments.untilCarried(held.ref);
    expect((await payments.facts(held.id)).status).toBe('expired');
    expect(await payments.refundsOf(held.id)).toHaveLength(1);
    expect((await payments.ledgerOf(held.intentId)).refunds).toHaveLength(1);
    expect(await payments.moves(rival.id)).toEqual(['pending', 'confirmed']);
    expect((await payments.ledgerOf(rival.intentId)).refunds).toEqual([]);
  });

  test.concurrent('ST-20 the slot has begun: given back', async ({ expect }) => {
    const held = await lapse();
    await rows(
      payments.db,
      `update bookings set during = tstzrange(now() - interval '1 minute', now() + interval '1 hour') where id = ?`,
      [held.id],
    );
    await payAfterAll(held);
    await untilRefunded(held.intentId, held.id, 'late');
    expect(await payments.moves(held.id)).toEqual(['pending', 'expired']);
  });

  test.concurrent('ST-20 the room has another time zone by now: confirmed for the same time of day in that', async ({
    expect,
  }) => {
    const held = await lapse();
    await rows(payments.db, `update rooms set time_zone = 'Asia/Tokyo' where id = ?`, [held.roomId]);
    await payAfterAll(held);
    await payments.untilStatus(held.id, 'confirmed');
    const [stay] = await rows<{ same: boolean; time_zone: string }>(
      payments.db,
      `select lower(during) = (booking_date + start_time) at time zone 'Asia/Tokyo' as same, time_zone
         from bookings where id = ?`,
      [held.id],
    );
    expect(stay).toEqual({ same: true, time_zone: 'Asia/Tokyo' });
  });

  test.concurrent('ST-20 the room is not available any more: given back', async ({ expect }) => {
    const held = await lapse();
    await rows(payments.db, 'update rooms set is_available = false where id = ?', [held.roomId]);
    await payAfterAll(held);
    await untilRefunded(held.intentId, held.id, 'late');
    expect(await payments.moves(held.id)).toEqual(['pending', 'expired']);
  });

  test.concurrent('ST-20 two that lapsed for one slot are both paid late: one is confirmed, the other given back', async ({
    expect,
  }) => {
    const first = await lapse();
    const second = await lapse(first.roomId);
    await Promise.all([payAfterAll(first), payAfterAll(second)]);
    const settled = await until('both decisions', async () => {
      const statuses = await Promise.all([first, second].map(({ id }) => payments.facts(id)));
      const money = await Promise.all([first, second].map(({ intentId }) => payments.ledgerOf(intentId)));
      const refunded = money.filter((intent) => intent.refundedMinor === priceMinor).length;
      return refunded === 1 && statuses.map(({ status }) => status);
    });
    expect([...settled].sort()).toEqual(['confirmed', 'expired']);
  });

  test.concurrent('ST-21 paid at the moment the guest cancels the hold: given back', async ({ expect }) => {
    const held = await payments.holdToPay();
    await payments.control.payOnCancel(held.intentId);
    const { status, body } = await payments.cancel(held.id);
    expect([status, body.status]).toEqual([200, 'cancelled']);
    await untilRefunded(held.intentId, held.id, 'cancelled');
    expect(await payments.moves(held.id)).toEqual(['pending', 'cancelled']);
  });

  test.concurrent.each([
    ['the guest', false],
    ['staff', true],
  ])(
    'ST-21 paid long after %s cancelled the hold: given back, though the slot is free',
    async (_, isStaff) => {
      const held = await payments.holdToPay();
      const { token } = isStaff ? await payments.system.newUser({ isStaff }) : payments.guest;
      expect((await payments.cancel(held.id, token)).status).toBe(200);
      await untilEnded(`booking-${held.ref}`);
      await payAfterAll(held);
      await deliverTenTimes(held.intentId);
      await untilRefunded(held.intentId, held.id, 'cancelled');
    },
  );

  test.concurrent('ST-22 two PaymentIntents are paid: the second goes back, the booking stands', async ({
    expect,
  }) => {
    const held = await payments.holdAndPay();
    const second = await payStrangeIntent(held);
    await deliverTenTimes(second);
    await untilRefunded(second, held.id, 'duplicate');
    expect(await payments.facts(held.id)).toMatchObject({ status: 'confirmed', payment_status: 'succeeded' });
    expect((await payments.ledgerOf(held.intentId)).refunds).toEqual([]);
    expect((await payments.ledgerOf(second)).refunds).toHaveLength(1);
    expect(await payments.moves(held.id)).toEqual(['pending', 'confirmed']);
  });

  test.concurrent('ST-22 two PaymentIntents are paid at once, and a third after that: one is kept', async ({
    expect,
  }) => {
    const held = await payments.holdToPay();
    const { id: strange } = await payments.strangeIntent(held);
    await Promise.all([payments.control.pay(held.intentId), payments.control.pay(strange)]);
    await payments.untilStatus(held.id, 'confirmed');
    const third = await payStrangeIntent(held);
    const all = [held.intentId, strange, third];
    const money = await until('two refunds', async () => {
      const found = await Promise.all(all.map((id) => payments.ledgerOf(id)));
      return found.filter((intent) => intent.refundedMinor === priceMinor).length === 2 && found;
    });
    expect(money.map((intent) => intent.refunds.length).sort()).toEqual([0, 1, 1]);
    const { confirmed_payment_id: kept } = await payments.facts(held.id);
    const [confirming] = await rows<{ intent_id: string }>(
      payments.db,
      'select stripe_payment_intent_id as intent_id from payments where id = ?',
      [kept],
    );
    expect(money.find((intent) => intent.refunds.length === 0)?.id).toBe(confirming?.intent_id);
  });

  test.concurrent('ST-22 while another PaymentIntent is open the booking is paid by a strange one: the open one is canceled', async ({
    expect,
  }) => {
    const held = await payments.holdToPay();
    await payStrangeIntent(held);
    await payments.untilStatus(held.id, 'confirmed');
    await until(
      'the cancellation',
      async () => (await payments.ledgerOf(held.intentId)).status === 'canceled',
    );
    expect((await payments.askForIntent(held.id)).body.code).toBe('already_paid');
  });

  test.concurrent('ST-12 ST-20 late money of another amount goes back whole, though the slot is free', async ({
    expect,
  }) => {
    const held = await lapse();
    const { id } = await payments.strangeIntent(held, 3_000);
    await payments.control.pay(id);
    await until('the refund', async () => (await payments.ledgerOf(id)).refundedMinor === 3_000);
    expect(await payments.flagsOn(id)).toEqual(['payment_mismatch']);
    expect((await payments.facts(held.id)).status).toBe('expired');
  });

  test.concurrent('ST-12 ST-20 late money of another currency goes back, and is shown in its own units', async ({
    expect,
  }) => {
    const held = await lapse();
    const { id } = await payments.stripe.paymentIntents.create({
      amount: 3_000,
      currency: 'jpy',
      metadata: { booking_ref: held.ref, booking_id: String(held.id) },
    });
    await payments.control.pay(id);
    await until('the refund', async () => (await payments.ledgerOf(id)).refundedMinor === 3_000);
    expect(await payments.show(held.id)).toMatchObject({
      currency: 'usd',
      payment: { payment_intent_id: id, refund: { amount: 3_000, currency: 'jpy' } },
    });
  });
});
