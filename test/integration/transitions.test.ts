import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { moveBooking } from '../../db/bookings.ts';
import { rows } from '../../db/knex.ts';
import { decidePayment } from '../../core/payments/decide-payment.ts';
import { expireHold, expireOverdueHolds } from '../../db/overdue-holds.ts';
import { type BookingStatus, bookingStatuses, legalMoves } from '../../domain/booking.ts';
import { asOwner, newBooking } from '../factories.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

interface Made {
  id: number;
  ref: string;
  paymentId: number;
  paymentRef: string;
}

describe('the moves of a booking', () => {
  let system: System;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  /** A pending booking with money that nothing was decided about. */
  async function paidHold(): Promise<Made> {
    const { id } = await newBooking(system, guest);
    const paymentRef = randomUUID();
    const [made] = await rows<{ ref: string; paymentId: number }>(
      system.db,
      `with paid as (
         insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                               amount_received_minor)
         values (?, ?, 1, ?, 4000, 'usd', 'succeeded', 4000) returning id
       ) select ref, (select id from paid) as "paymentId" from bookings where id = ?`,
      [paymentRef, id, `pi_${paymentRef}`, id],
    );
    if (!made) throw new Error('no booking');
    return { id, paymentRef, ...made };
  }

  const eventsOf = (id: number) =>
    rows<{ from: BookingStatus | null; to: BookingStatus }>(
      system.db,
      'select from_status as "from", to_status as "to" from booking_events where booking_id = ? order by id',
      [id],
    );

  test('PG-05 of confirm, expire and cancel at once one wins, and the events tell one line', async () => {
    const winners = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const { id, ref, paymentRef } = await paidHold();
      const moves = [
        () => decidePayment(system.db, { paymentRef, actor: 'test', workflowId: `booking-${ref}` }),
        () => expireHold(system.db, { bookingRef: ref, actor: 'test', cause: 'unpaid', leased: true }),
        () => moveBooking(system.db, { bookingId: id, to: 'cancelled', actor: 'test', cause: 'test' }),
        () => moveBooking(system.db, { bookingId: id, to: 'expired', actor: 'test', cause: 'test' }),
      ];
      const order = moves.map((_, n) => moves[(n + round) % moves.length] as () => Promise<unknown>);
      await Promise.all(order.map((move) => move()));
      const events = await eventsOf(id);
      // Each move starts where the one before it ended, and is legal.
      let status: BookingStatus | null = null;
      for (const { from, to } of events) {
        expect(from).toBe(status);
        if (from) expect(legalMoves[from]).toContain(to);
        status = to;
      }
      const [row] = await rows<{ status: BookingStatus; refunds: number }>(
        system.db,
        `select status, (select count(*)::int from refunds f join payments p on p.id = f.payment_id
                          where p.booking_id = b.id) as refunds from bookings b where id = ?`,
        [id],
      );
      expect(row?.status).toBe(status);
      // The money ends in one place: in the booking that it confirmed, or back with the guest; a confirmed booking that
      // is then cancelled here, by the bare move, keeps its money, since the decision on it was taken before.
      const confirmed = events.some(({ to }) => to === 'confirmed');
      expect(row?.refunds).toBe(confirmed ? 0 : 1);
      winners.add(events.map(({ to }) => to).join(' '));
    }
    expect(winners.size).toBeGreaterThan(1);
  }, 60_000);

  test('PG-05 of expiring by statement and cancelling at once one wins if nothing was paid', async () => {
    const winners = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const { id } = await newBooking(system, guest);
      const [{ ref } = { ref: '' }] = await rows<{ ref: string }>(
        system.db,
        'update bookings set hold_expires_at = clock_timestamp() where id = ? returning ref',
        [id],
      );
      const moves = [
        () => expireHold(system.db, { bookingRef: ref, actor: 'test', cause: 'unpaid', leased: false }),
        () => expireOverdueHolds(system.db, { actor: 'test', lateMs: 0, limit: 10 }),
        () => moveBooking(system.db, { bookingId: id, to: 'cancelled', actor: 'test', cause: 'test' }),
      ];
      const order = moves.map((_, n) => moves[(n + round) % moves.length] as () => Promise<unknown>);
      // At once, or one a few milliseconds after the other.
      await Promise.all(order.map((move, n) => sleep(n * (round % 5)).then(move)));
      const moved = (await eventsOf(id)).map(({ to }) => to);
      expect(moved).toHaveLength(2);
      winners.add(moved.join(' '));
    }
    expect([...winners].sort()).toEqual(['pending cancelled', 'pending expired']);
  }, 60_000);

  test('PG-05 without a lease only a hold that is due, is not being settled and cannot be paid expires', async () => {
    const openPayment = (booking: number) =>
      rows(
        system.db,
        `insert into payments (ref, booking_id, attempt, amount_minor, currency, status)
         values (gen_random_uuid(), ?, 1, 4000, 'usd', 'creating')`,
        [booking],
      );
    const change = (set: string) => (booking: number) =>
      rows(system.db, `update bookings set ${set} where id = ?`, [booking]);
    const overdue = change(`hold_expires_at = now() - interval '1 second'`);
    const cases: [string, ((booking: number) => Promise<unknown>)[], boolean][] = [
      ['not due', [], false],
      ['due', [overdue], true],
      [
        'kept while Stripe says processing',
        [overdue, change(`settle_after = now() + interval '9 s'`)],
        false,
      ],
      ['it is being settled', [overdue, change(`settle_lease_until = now() + interval '9 s'`)], false],
      ['a process began to settle it, and died', [overdue, change('settle_lease_until = now()')], true],
      ['a payment that is being made', [overdue, openPayment], false],
    ];
    for (const [name, steps, expires] of cases) {
      const { id } = await newBooking(system, guest);
      for (const step of steps) await step(id);
      const [row] = await rows<{ ref: string }>(system.db, 'select ref from bookings where id = ?', [id]);
      const asked = { bookingRef: row?.ref ?? '', actor: 'test', cause: 'unpaid', leased: false };
      expect([name, await expireHold(system.db, asked)]).toEqual([name, expires]);
      expect([name, (await eventsOf(id)).map(({ to }) => to)]).toEqual([
        name,
        expires ? ['pending', 'expired'] : ['pending'],
      ]);
    }
  });

  test('many that lapsed expire together, the most overdue first, and a locked one is skipped', async () => {
    const overdueFor = async (seconds: number) => {
      const { id } = await newBooking(system, guest);
      await rows(
        system.db,
        `update bookings set hold_expires_at = now() - ? * interval '1 second' where id = ?`,
        [seconds, id],
      );
      return id;
    };
    // Late by less than the sweeper of this API waits for.
    const [late, later, latest] = [await overdueFor(1), await overdueFor(2), await overdueFor(3)];
    const statusesOf = async () =>
      (
        await rows<{ status: string }>(
          system.db,
          'select status from bookings where id = any(?) order by id',
          [[late, later, latest]],
        )
      ).map(({ status }) => status);
    const expire = (limit: number) => expireOverdueHolds(system.db, { lateMs: 500, limit, actor: 'test' });
    await asOwner(system, async (owner) => {
      await owner.query('begin');
      await owner.query('select 1 from bookings where id = $1 for update', [latest]);
      expect(await expire(1)).toBe(1);
      expect(await statusesOf()).toEqual(['pending', 'expired', 'pending']);
      await owner.query('commit');
    });
    expect(await expire(10)).toBe(2);
    expect(await statusesOf()).toEqual(['expired', 'expired', 'expired']);
    expect(await expire(10)).toBe(0);
  });

  test('a hold for which money came never expires, leased or not', async () => {
    const { ref, id } = await paidHold();
    await rows(system.db, `update bookings set hold_expires_at = now() - interval '1 second' where id = ?`, [
      id,
    ]);
    for (const leased of [true, false]) {
      expect(await expireHold(system.db, { bookingRef: ref, actor: 'test', cause: 'unpaid', leased })).toBe(
        false,
      );
    }
    expect((await eventsOf(id)).map(({ to }) => to)).toEqual(['pending']);
  });

  test('late money is not decided without a workflow that owns the booking from there on', async () => {
    const { paymentRef, id } = await paidHold();
    await moveBooking(system.db, { bookingId: id, to: 'expired', actor: 'test', cause: 'test' });
    const settler = await decidePayment(system.db, { paymentRef, actor: 'test' });
    expect(settler).toBe('undecided');
    const owner = { paymentRef, actor: 'test', workflowId: `late-payment-${paymentRef}` };
    expect(await decidePayment(system.db, owner)).toBe('kept');
  });

  test('PG-05 the database makes the legal moves and no other, for every pair of statuses', async () => {
    await asOwner(system, async (owner) => {
      for (const from of bookingStatuses) {
        for (const to of bookingStatuses) {
          const { id, paymentId } = await paidHold();
          // Only the trigger stands between a booking and any status at all.
          await owner.query('alter table bookings disable trigger bookings_legal_move');
          await owner.query('update bookings set status = $1, confirmed_payment_id = $2 where id = $3', [
            from,
            paymentId,
            id,
          ]);
          await owner.query('alter table bookings enable trigger bookings_legal_move');
          const moved = owner.query('update bookings set status = $1 where id = $2', [to, id]);
          if (from === to || legalMoves[from].includes(to)) await moved;
          else
            await expect(moved).rejects.toMatchObject({ code: '23514', constraint: 'bookings_legal_move' });
        }
      }
    });
  });

  test('a booking is never confirmed without a payment of its own', async () => {
    const [one, other] = await Promise.all([paidHold(), paidHold()]);
    const confirm = (id: number, paymentId: number | null) =>
      rows(system.db, `update bookings set status = 'confirmed', confirmed_payment_id = ? where id = ?`, [
        paymentId,
        id,
      ]);
    await expect(confirm(one.id, null)).rejects.toMatchObject({ constraint: 'bookings_paid_for' });
    await expect(confirm(one.id, other.paymentId)).rejects.toMatchObject({ constraint: 'bookings_paid_by' });
  });

  test('OP-02 the events of a booking can be added to, not changed, not even by the owner', async () => {
    const { id } = await paidHold();
    for (const sql of ['update booking_events set actor = $$x$$', 'delete from booking_events']) {
      await expect(rows(system.db, sql)).rejects.toMatchObject({ code: '42501' });
      await asOwner(system, (owner) => expect(owner.query(sql)).rejects.toMatchObject({ code: '42501' }));
    }
    expect(await eventsOf(id)).toHaveLength(1);
  });
});
