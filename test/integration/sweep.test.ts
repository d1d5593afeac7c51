import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { repairBookings } from '../../core/reconcile/repair-bookings.ts';
import { sweepOpenBookings } from '../../core/reconcile/sweep-open-bookings.ts';
import { rows } from '../../db/knex.ts';
import { asOwner, newBooking } from '../factories.ts';
import { dayAhead, startSystem, type System, type TestUser } from '../setup/system.ts';

const log = pino({ level: 'silent' });

describe('the sweep through the open bookings', () => {
  let system: System;
  let guest: TestUser;
  let room: number;
  let slot = 0;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    guest = await system.newUser();
    room = await system.newRoom();
    // Nothing is carried: the test says what Temporal answers.
    await system.server.deps.relay.stop();
  });
  afterAll(() => system.stop());
  beforeEach(async () => {
    await rows(system.db, `update bookings set status = 'expired' where status = 'pending'`);
    await rows(system.db, 'delete from outbox');
    await rows(system.db, 'delete from flags');
  });

  /** A hold whose message was carried, and that nothing has happened to for a minute. */
  async function holdOfAMinuteAgo() {
    const booking = await newBooking(system, guest, { room_id: room, booking_date: dayAhead(10 + slot++) });
    const [row] = await rows<{ id: number; ref: string; workflowId: string }>(
      system.db,
      `update bookings set updated_at = now() - interval '1 minute' where id = ?
       returning id, ref, workflow_id as "workflowId"`,
      [booking.id],
    );
    await rows(system.db, 'delete from outbox');
    return row as { id: number; ref: string; workflowId: string };
  }

  type Answer = (workflowId: string) => Promise<string | undefined>;
  const sweep = (statusOf: Answer) =>
    sweepOpenBookings(
      { db: system.db, log, workflows: { statusOf, countRunning: async () => 1_000 } },
      undefined,
      Infinity,
    );
  const flagged = () =>
    rows<{ kind: string; subject: string; resolved: boolean }>(
      system.db,
      'select kind, subject, resolved_at is not null as resolved from flags order by kind, subject',
    );
  const messages = () => rows<{ topic: string }>(system.db, 'select topic from outbox');

  test('a booking that ends while Temporal is asked is neither flagged nor started again', async () => {
    const held = await Promise.all(Array.from({ length: 8 }, holdOfAMinuteAgo));
    const { restarted } = await sweep(async (workflowId) => {
      const { id } = held.find((hold) => hold.workflowId === workflowId) ?? {};
      await rows(system.db, `update bookings set status = 'expired' where id = ?`, [id ?? 0]);
      return 'COMPLETED';
    });
    expect(restarted).toBe(0);
    expect(await flagged()).toEqual([]);
    expect(await messages()).toEqual([]);
  });

  test.each<[string, (ref: string) => [string, unknown[]]]>([
    ['changes', (ref) => ['update bookings set updated_at = now() where ref = ?', [ref]]],
    [
      'gets another owner',
      (ref) => [`update bookings set workflow_id = 'late-payment-1' where ref = ?`, [ref]],
    ],
    [
      'gets a message',
      (ref) => [`select leave_message('payment', jsonb_build_object('bookingRef', ?::text))`, [ref]],
    ],
  ])('a booking that %s while Temporal is asked is left alone', async (_, change) => {
    for (const status of ['COMPLETED', undefined]) {
      const { ref } = await holdOfAMinuteAgo();
      let asked = 0;
      const { restarted } = await sweep(async () => {
        // Between the first look and the second everything still seemed lost.
        if (++asked === 1) await rows(system.db, ...change(ref));
        return status;
      });
      expect(restarted).toBe(0);
      expect(await flagged()).toEqual([]);
      await rows(system.db, `update bookings set status = 'expired' where ref = ?`, [ref]);
      await rows(system.db, 'delete from outbox');
    }
  });

  test('a booking that changes just before it is acted on is left alone', async () => {
    const { id } = await holdOfAMinuteAgo();
    let asked = 0;
    await sweep(async () => {
      if (++asked === 2) await rows(system.db, `update bookings set status = 'expired' where id = ?`, [id]);
      return 'COMPLETED';
    });
    expect(asked).toBe(2);
    expect(await flagged()).toEqual([]);
  });

  test('an ended workflow is flagged until it runs again, and once more when it has ended again', async () => {
    const { workflowId } = await holdOfAMinuteAgo();
    await sweep(async () => 'COMPLETED');
    const open = { kind: 'workflow_ended', subject: workflowId, resolved: false };
    expect(await flagged()).toEqual([open]);
    await rows(system.db, 'update flags set resolved_at = now()');
    await sweep(async () => 'COMPLETED');
    // The same thing goes on, and a person knows of it.
    expect(await flagged()).toEqual([{ ...open, resolved: true }]);
    await rows(system.db, `update flags set resolved_at = now() - interval '25 hours'`);
    await sweep(async () => 'COMPLETED');
    expect(await flagged()).toEqual([open]);
    await sweep(async () => 'RUNNING');
    expect(await flagged()).toEqual([{ ...open, resolved: true }]);
    await sweep(async () => 'COMPLETED');
    expect(await flagged()).toEqual([open]);
  });

  test('a lost workflow is started again with one message, however often it is looked at', async () => {
    await holdOfAMinuteAgo();
    expect(await sweep(async () => undefined)).toMatchObject({
      restarted: 1,
      sweep: { hurry: true, open: 1 },
    });
    expect(await sweep(async () => undefined)).toMatchObject({ restarted: 0 });
    expect(await messages()).toEqual([{ topic: 'start_booking' }]);
  });

  const round = (statusOf: Answer = async () => 'RUNNING') =>
    repairBookings({
      db: system.db,
      stripe: system.server.deps.stripe,
      log,
      freeCancelHours: 24,
      workflows: { statusOf, countRunning: async () => 0 },
    });

  test('a step that fails keeps none of the others from their work, and is before staff until it succeeds', async () => {
    const { id } = await holdOfAMinuteAgo();
    await rows(system.db, `update bookings set hold_expires_at = now() - interval '1 minute' where id = ?`, [
      id,
    ]);
    await asOwner(system, (owner) => owner.query('alter table rate_limits rename to rate_limits_away'));
    const broken = await round(() => Promise.reject(new Error('Temporal is away')));
    expect(broken).toMatchObject({
      rowsDeleted: 'failed',
      workflowsStartedAgain: 'failed',
      completedStays: 0,
      overdueHolds: expect.any(Number),
      failures: {
        rowsDeleted: expect.stringContaining('rate_limits'),
        workflowsStartedAgain: 'Temporal is away',
      },
    });
    const [{ status } = { status: '' }] = await rows<{ status: string }>(
      system.db,
      'select status from bookings where id = ?',
      [id],
    );
    expect(status).toBe('expired');
    const of = (subject: string, resolved: boolean) => ({ kind: 'reconcile_failed', subject, resolved });
    // The hold was settled by whoever came first, so that its workflow was not asked for.
    expect(await flagged()).toContainEqual(of('rowsDeleted', false));
    await asOwner(system, (owner) => owner.query('alter table rate_limits_away rename to rate_limits'));
    expect((await round()).failures).toEqual({});
    expect(await flagged()).toContainEqual(of('rowsDeleted', true));
  });

  test('money that stays undecided is put before staff, and taken off when it is decided', async () => {
    const { id } = await holdOfAMinuteAgo();
    const intentId = `pi_${randomUUID()}`;
    await rows(
      system.db,
      `insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                             amount_received_minor, updated_at)
       select gen_random_uuid(), id, 1, ?, amount_minor, currency, 'succeeded', amount_minor, now() - interval '11 minutes'
         from bookings where id = ?`,
      [intentId, id],
    );
    expect(await round()).toMatchObject({ undecidedPayments: 1, flagged: 1 });
    // Its message is still under way.
    expect(await round()).toMatchObject({ undecidedPayments: 0, flagged: 0 });
    const flag = { kind: 'payment_undecided', subject: intentId };
    expect(await flagged()).toEqual([{ ...flag, resolved: false }]);
    await rows(system.db, `update payments set decision = 'returned' where stripe_payment_intent_id = ?`, [
      intentId,
    ]);
    await round();
    expect(await flagged()).toEqual([{ ...flag, resolved: true }]);
  });

  test('what has outlived its use goes batch by batch, in one round', async () => {
    await rows(
      system.db,
      `insert into stripe_events (id, type, object_id, received_at)
       select 'evt_old_' || n, 'x', 'x', now() - interval '61 days' from generate_series(1, 2500) n`,
    );
    expect((await round()).rowsDeleted).toBe(2_500);
  });
});
