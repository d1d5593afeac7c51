import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { ReconcileReport } from '../../activities/index.ts';
import { rows } from '../../db/knex.ts';
import { startPayments } from './payment-kit.ts';
import { dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('the reconciler', () => {
  let system: System;
  let guest: TestUser;
  let connection: Connection;
  let client: Client;
  beforeAll(async () => {
    system = await startSystem({ settings: { HOLD_MINUTES: '60' } });
    guest = await system.newUser();
    connection = await Connection.connect({ address: inject('temporal').address });
    client = new Client({ connection, namespace: inject('temporal').namespace });
  });
  afterAll(async () => {
    await connection.close();
    await system.stop();
  });

  const reconcile = (): Promise<ReconcileReport> =>
    client.workflow.execute('reconcileWorkflow', {
      taskQueue: system.config.temporal.taskQueue,
      workflowId: `reconcile-${randomUUID()}`,
    });

  async function holdNew() {
    const { body } = await system.call('POST', '/api/bookings/', {
      token: guest.token,
      body: {
        room_id: await system.newRoom(),
        booking_date: dayAhead(30),
        start_time: '09:00',
        end_time: '10:00',
        guest_count: 1,
      },
    });
    const [row] = await rows<{ ref: string }>(system.db, 'select ref from bookings where id = ?', [body.id]);
    return { id: body.id as number, ref: row?.ref ?? '' };
  }

  async function openIntent(bookingId: number): Promise<string> {
    const body = { booking_id: bookingId };
    const answer = await system.call('POST', '/api/payment-intent/', { token: guest.token, body });
    return answer.body.payment_intent_id;
  }

  const statusOf = async (id: number): Promise<string> =>
    (await system.call('GET', `/api/bookings/${id}/`, { token: guest.token })).body.status;

  /** The actor of the last move of a booking. */
  const lastMoveOf = async (id: number) => {
    const moves = await rows<{ actor: string }>(
      system.db,
      'select actor from booking_events where booking_id = ? order by id desc limit 1',
      [id],
    );
    return moves[0]?.actor;
  };

  const workflowStatus = (ref: string) =>
    client.workflow
      .getHandle(`booking-${ref}`)
      .describe()
      .then(
        ({ status }) => status.name,
        () => 'NONE',
      );

  /** Its workflow runs and its message is gone: the reconciler leaves a booking alone that still has one. */
  const untilRuns = (ref: string) =>
    until('the workflow', async () => {
      if ((await workflowStatus(ref)) !== 'RUNNING') return false;
      const left = await rows(system.db, `select 1 from outbox where payload ->> 'bookingRef' = ?`, [ref]);
      return left.length === 0;
    });

  /** Makes a booking old enough for the reconciler to look at: it leaves the youngest to their own messages. */
  const age = (id: number) =>
    rows(system.db, `update bookings set updated_at = now() - interval '5 minutes' where id = ?`, [id]);

  test('ST-26 a payment whose webhooks were all lost is found in the list of events, and confirms', async () => {
    await system.stripe.control.setWebhookBehaviour({ loseRate: 1 });
    const { id } = await holdNew();
    await system.stripe.control.pay(await openIntent(id));
    const report = await reconcile();
    await system.stripe.control.setWebhookBehaviour({ loseRate: 0 });
    expect(report.missedEvents).toBeGreaterThan(0);
    await until('the confirmation', async () => (await statusOf(id)) === 'confirmed');
    expect((await reconcile()).missedEvents).toBe(0);
  });

  test('TM-16 a hold whose workflow was terminated gets a new one, which settles it', async () => {
    const { id, ref } = await holdNew();
    const intentId = await openIntent(id);
    await untilRuns(ref);
    await client.workflow.getHandle(`booking-${ref}`).terminate('an operator’s mistake');
    await age(id);
    expect((await reconcile()).workflowsStartedAgain).toBeGreaterThan(0);
    await until('a new workflow', async () => (await workflowStatus(ref)) === 'RUNNING');
    expect(await statusOf(id)).toBe('pending');
    // Its timer would take the rest of the hour: another message has it look at the deadline, which is now.
    await rows(system.db, 'update bookings set hold_expires_at = now() where id = ?', [id]);
    await client.workflow
      .getHandle(`booking-${ref}`)
      .signal('paymentReceived', { bookingRef: ref, intentId, verify: true });
    await until('the end', async () => (await workflowStatus(ref)) === 'COMPLETED');
    expect(await statusOf(id)).toBe('expired');
    expect(await lastMoveOf(id)).toBe('bookingWorkflow');
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find((intent) => intent.id === intentId)?.status).toBe('canceled');
  });

  test('PG-14 an open booking whose workflow is completed at Temporal is flagged for staff', async () => {
    const [done, open] = [await holdNew(), await holdNew()];
    for (const { ref } of [done, open]) await untilRuns(ref);
    await system.call('POST', `/api/bookings/${done.id}/cancel/`, { token: guest.token });
    await until('its end', async () => (await workflowStatus(done.ref)) === 'COMPLETED');
    await rows(system.db, 'update bookings set workflow_id = ? where id = ?', [
      `booking-${done.ref}`,
      open.id,
    ]);
    await age(open.id);
    await reconcile();
    const starts = await rows(system.db, `select 1 from outbox where payload ->> 'bookingRef' = ?`, [
      open.ref,
    ]);
    expect(starts).toEqual([]);
    const flags = await rows(system.db, 'select kind, subject from flags where booking_id = ?', [open.id]);
    expect(flags).toEqual([{ kind: 'workflow_ended', subject: `booking-${done.ref}` }]);
    await rows(system.db, 'update bookings set workflow_id = ? where id = ?', [
      `booking-${open.ref}`,
      open.id,
    ]);
  });

  /** Cancels a hold whose PaymentIntent Stripe does not have, as when the key is another account's. */
  async function cancelWithLostIntent(createdAgo: string) {
    const { id, ref } = await holdNew();
    const intentId = await openIntent(id);
    const lost = `pi_${randomUUID()}`;
    await rows(
      system.db,
      `update payments set stripe_payment_intent_id = ?, created_at = now() - ?::interval where booking_id = ?`,
      [lost, createdAgo, id],
    );
    await system.call('POST', `/api/bookings/${id}/cancel/`, { token: guest.token });
    await until('the flag', async () => {
      const flags = await rows(system.db, 'select kind from flags where subject = ?', [lost]);
      return flags.length > 0;
    });
    expect(await rows(system.db, 'select kind from flags where subject = ?', [lost])).toEqual([
      { kind: 'payment_mismatch' },
    ]);
    return { id, ref, intentId };
  }

  const paymentStatusOf = async (bookingId: number) =>
    (
      await rows<{ status: string }>(system.db, 'select status from payments where booking_id = ?', [
        bookingId,
      ])
    )[0]?.status;

  test('TM-08 a PaymentIntent that Stripe does not have is flagged, and no longer asked for after three days', async () => {
    const { id, ref } = await cancelWithLostIntent('73 hours');
    await until('the end of the workflow', async () => (await workflowStatus(ref)) === 'COMPLETED');
    expect(await paymentStatusOf(id)).toBe('canceled');
  });

  test('TM-08 until then the key may be wrong: once it is right the PaymentIntent is canceled', async () => {
    const { id, ref, intentId } = await cancelWithLostIntent('1 hour');
    expect(await paymentStatusOf(id)).toBe('requires_payment_method');
    expect(await workflowStatus(ref)).toBe('RUNNING');
    await rows(system.db, 'update payments set stripe_payment_intent_id = ? where booking_id = ?', [
      intentId,
      id,
    ]);
    await until('the end of the workflow', async () => (await workflowStatus(ref)) === 'COMPLETED');
    expect(await paymentStatusOf(id)).toBe('canceled');
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find((intent) => intent.id === intentId)?.status).toBe('canceled');
  });

  test('S10 while Stripe does not answer, the rest is repaired', async () => {
    const { id, ref } = await holdNew();
    await untilRuns(ref);
    await client.workflow.getHandle(`booking-${ref}`).terminate('an operator’s mistake');
    await age(id);
    await system.stripe.control.failNext({ kind: '503', count: 3, match: { path: '/v1/events' } });
    const report = await reconcile();
    await system.stripe.control.clearFaults();
    expect(report.missedEvents).toBe('not known');
    expect(report.workflowsStartedAgain).toBeGreaterThan(0);
    await until('a new workflow', async () => (await workflowStatus(ref)) === 'RUNNING');
  });

  test('OB-08 a pending booking without workflow or message gets its workflow', async () => {
    const { id, ref } = await holdNew();
    const lost = randomUUID();
    await untilRuns(ref);
    await rows(system.db, 'update bookings set ref = ?, workflow_id = ? where id = ?', [
      lost,
      `booking-${lost}`,
      id,
    ]);
    await age(id);
    await reconcile();
    await until('the workflow', async () => (await workflowStatus(lost)) === 'RUNNING');
  });

  test('OB-08 an open PaymentIntent of a dead booking is canceled at Stripe', async () => {
    const { id, ref } = await holdNew();
    const intentId = await openIntent(id);
    await untilRuns(ref);
    await client.workflow.getHandle(`booking-${ref}`).terminate();
    await rows(
      system.db,
      `update bookings set status = 'expired', updated_at = now() - interval '5 minutes' where id = ?`,
      [id],
    );
    expect((await reconcile()).openIntentsOfDeadBookings).toBe(1);
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find((intent) => intent.id === intentId)?.status).toBe('canceled');
  });

  test('OB-08 an undecided payment is decided', async () => {
    const { id, ref } = await holdNew();
    await rows(
      system.db,
      `insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                             amount_received_minor, updated_at)
       select gen_random_uuid(), id, 1, 'pi_' || ref, amount_minor, currency, 'succeeded', amount_minor,
              now() - interval '5 minutes' from bookings where id = ?`,
      [id],
    );
    expect((await reconcile()).undecidedPayments).toBe(1);
    await until('the confirmation', async () => (await statusOf(id)) === 'confirmed');
    expect(await workflowStatus(ref)).toBe('RUNNING');
  });

  test('OB-08 a confirmed booking without a succeeded payment is flagged for staff', async () => {
    const { id, ref } = await holdNew();
    await system.stripe.control.pay(await openIntent(id));
    await until('the confirmation', async () => (await statusOf(id)) === 'confirmed');
    await rows(system.db, `update payments set status = 'canceled' where booking_id = ?`, [id]);
    expect((await reconcile()).flagged).toBe(1);
    const flags = await rows(system.db, `select kind from flags where subject = ?`, [ref]);
    expect(flags).toEqual([{ kind: 'confirmed_unpaid' }]);
  });

  test('a refund whose message was lost is started again', async () => {
    const { id } = await holdNew();
    await system.stripe.control.pay(await openIntent(id));
    await until('the confirmation', async () => (await statusOf(id)) === 'confirmed');
    await rows(
      system.db,
      `insert into refunds (payment_id, booking_id, reason, amount_minor, currency, updated_at)
       select id, booking_id, 'staff:test', amount_minor, currency, now() - interval '1 hour' from payments where booking_id = ?`,
      [id],
    );
    expect((await reconcile()).refundsStartedAgain).toBe(1);
    await until('the refund', async () => {
      const [refund] = await rows<{ status: string }>(
        system.db,
        'select f.status from refunds f join payments p on p.id = f.payment_id where p.booking_id = ?',
        [id],
      );
      return refund?.status === 'succeeded';
    });
  });

  test('rows that are no longer needed are deleted, others stay', async () => {
    await rows(
      system.db,
      `insert into stripe_events (id, type, object_id, received_at)
       values ('evt_old', 'x', 'x', now() - interval '61 days'), ('evt_young', 'x', 'x', now() - interval '59 days')`,
    );
    await reconcile();
    const left = await rows(system.db, `select id from stripe_events where type = 'x'`);
    expect(left).toEqual([{ id: 'evt_young' }]);
  });
});

test('OB-08 an overdue hold that neither workflow nor API settled is expired', async () => {
  const payments = await startPayments({ settings: { HOLD_MINUTES: '60' } });
  const { system } = payments;
  const connection = await Connection.connect({ address: inject('temporal').address });
  const { workflow } = new Client({ connection, namespace: inject('temporal').namespace });
  try {
    const { id, ref } = await payments.hold();
    await until('the workflow', () =>
      workflow
        .getHandle(`booking-${ref}`)
        .terminate()
        .then(
          () => true,
          () => false,
        ),
    );
    // With the API goes its sweeper.
    await system.server.stop({ atOnce: true });
    await rows(
      payments.db,
      `update bookings set hold_expires_at = now() - interval '1 minute' where id = ?`,
      [id],
    );
    const report: ReconcileReport = await workflow.execute('reconcileWorkflow', {
      taskQueue: system.config.temporal.taskQueue,
      workflowId: `reconcile-${randomUUID()}`,
    });
    expect(report.overdueHolds).toBe(1);
    const moves = await rows(
      payments.db,
      'select actor, to_status from booking_events where booking_id = ?',
      [id],
    );
    expect(moves.at(-1)).toEqual({ actor: 'reconciler', to_status: 'expired' });
  } finally {
    await connection.close();
    await payments.stop();
  }
});
