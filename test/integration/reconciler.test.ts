import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { ReconcileReport } from '../../activities/index.ts';
import { rows } from '../../db/knex.ts';
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

  const workflowStatus = (ref: string) =>
    client.workflow
      .getHandle(`booking-${ref}`)
      .describe()
      .then(
        ({ status }) => status.name,
        () => 'NONE',
      );

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
    await until('the workflow', async () => (await workflowStatus(ref)) === 'RUNNING');
    await client.workflow.getHandle(`booking-${ref}`).terminate('an operator’s mistake');
    await age(id);
    expect((await reconcile()).workflowsStartedAgain).toBeGreaterThan(0);
    await until('a new workflow', async () => (await workflowStatus(ref)) === 'RUNNING');
    expect(await statusOf(id)).toBe('pending');
  });

  test('OB-08 a pending booking without workflow or message gets its workflow', async () => {
    const { id, ref } = await holdNew();
    const lost = randomUUID();
    await until('the workflow', async () => (await workflowStatus(ref)) === 'RUNNING');
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
    await until('the workflow', async () => (await workflowStatus(ref)) === 'RUNNING');
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

  test('OB-08 an overdue hold that nobody settled is expired', async () => {
    const { id, ref } = await holdNew();
    await until('the workflow', async () => (await workflowStatus(ref)) === 'RUNNING');
    // Leased by a process that died: neither workflow nor sweeper touches it until the lease is over.
    await rows(system.db, `update bookings set hold_expires_at = now() - interval '1 minute' where id = ?`, [
      id,
    ]);
    await reconcile();
    await until('the expiry', async () => (await statusOf(id)) === 'expired');
  });

  test('OB-08 money that nothing was decided about is decided', async () => {
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
      `insert into refunds (payment_id, purpose, amount_minor, currency, updated_at)
       select id, 'staff', amount_minor, currency, now() - interval '1 hour' from payments where booking_id = ?`,
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

  test('what has outlived its use is deleted, what has not stays', async () => {
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
