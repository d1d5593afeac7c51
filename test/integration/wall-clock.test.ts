import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { ReconcileReport } from '../../activities/index.ts';
import { correctInstants } from '../../core/bookings/correct-instants.ts';
import { editRoom, type RoomFields } from '../../core/rooms/edit-room.ts';
import { completeStays } from '../../db/bookings.ts';
import { endDelaysOfWrongClock } from '../../db/overdue-holds.ts';
import { deleteOutdated } from '../../db/housekeeping.ts';
import { rows } from '../../db/knex.ts';
import { Room } from '../../db/models.ts';
import { resolveRange } from '../../domain/slots.ts';
import { holdQuery } from '../../workflows/messages.ts';
import { bookingWorkflowId } from '../../domain/workflow-ids.ts';
import {
  asOwner,
  expectProblem,
  newBooking,
  nextClockChange,
  requestBooking,
  requestIntent,
} from '../factories.ts';
import { signInStaff } from '../setup/panel.ts';
import { dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('time on a room’s wall clock', { timeout: 60_000 }, () => {
  let system: System;
  let guest: TestUser;
  let other: TestUser;
  let staff: TestUser;
  let connection: Connection;
  let temporal: Client;
  beforeAll(async () => {
    // A hold lasts until the start of a stay of today.
    system = await startSystem({ settings: { HOLD_MINUTES: '1440' } });
    [guest, other, staff] = await Promise.all([
      system.newUser(),
      system.newUser(),
      system.newUser({ isStaff: true }),
    ]);
    const { address, namespace } = inject('temporal');
    connection = await Connection.connect({ address });
    temporal = new Client({ connection, namespace });
  });
  afterAll(async () => {
    await connection.close();
    await system.stop();
  });

  /** Staff sets another zone. @returns what the refusal says, if it is one */
  async function setZone(roomId: number, time_zone: string, keepWallClock: boolean) {
    const room = (await Room.query(system.db).findById(roomId)) as Room;
    const fields: RoomFields = { ...(room.$toJson() as RoomFields), time_zone };
    for (const name of ['id', 'version', 'created_at', 'updated_at']) Reflect.deleteProperty(fields, name);
    const edit = { actorId: staff.id, id: roomId, version: room.version, fields, keepWallClock };
    return editRoom(system.db, edit).then(
      () => undefined,
      (error: { code: string; extras: { members: { count: number; bookings: unknown[] } } }) => ({
        code: error.code,
        ...error.extras.members,
      }),
    );
  }

  const stayOf = async (id: number) =>
    (
      await rows<Record<string, unknown>>(
        system.db,
        `select b.time_zone, lower(during) as starts, upper(during) as ends, hold_expires_at, sequence, status, ref,
                (select count(*)::int from claims c where c.booking_id = b.id) as claims
           from bookings b where id = ?`,
        [id],
      )
    )[0] as { starts: Date; ends: Date; hold_expires_at: Date; ref: string; [column: string]: unknown };

  async function confirm(user: TestUser, id: number): Promise<void> {
    const { body } = await requestIntent(system, user, id);
    await system.stripe.control.pay(body.payment_intent_id);
    await until('the confirmation', async () => (await stayOf(id))['status'] === 'confirmed');
  }

  test('one hour is sold once, though the zone of the room is corrected in between', async () => {
    const room_id = await system.newRoom({ time_zone: 'Europe/Berlin' });
    const sold = await newBooking(system, guest, { room_id });
    await confirm(guest, sold.id);
    expect(await setZone(room_id, 'Europe/London', true)).toBeUndefined();
    expectProblem(await requestBooking(system, other, { room_id }), 'slot_taken');
    const { body } = await system.call('GET', `/api/bookings/${sold.id}/`, { token: guest.token });
    const london = resolveRange(sold.booking_date, 540, 600, 'Europe/London');
    expect(body).toMatchObject({
      ...{ booking_date: sold.booking_date, start_time: '09:00:00', end_time: '10:00:00' },
      ...{ time_zone: 'Europe/London', starts_at: london.startsAt.toISOString() },
      ends_at: london.endsAt.toISOString(),
    });
    expect(await stayOf(sold.id)).toMatchObject({ sequence: 1, claims: 1 });
    const events = await rows(
      system.db,
      'select actor, from_status, to_status, cause from booking_events where booking_id = ? order by id desc limit 1',
      [sold.id],
    );
    expect(events).toEqual([
      {
        actor: `staff:${staff.id}`,
        from_status: 'confirmed',
        to_status: 'confirmed',
        cause: 'room_zone_changed',
      },
    ]);
    const { body: day } = await system.call(
      'GET',
      `/api/rooms/${room_id}/availability/?date=${sold.booking_date}`,
    );
    const taken = day.slots.filter(({ status }: { status: string }) => status === 'booked');
    expect(taken.map(({ start_time }: { start_time: string }) => start_time)).toEqual([
      '09:00:00',
      '09:30:00',
    ]);
  });

  test('the panel shows the bookings that lie ahead, and moves them when staff ask for it', async () => {
    const { browser } = await signInStaff(system);
    const room_id = await system.newRoom({ name: `Moved ${randomUUID()}`, time_zone: 'Europe/Berlin' });
    const held = await newBooking(system, guest, { room_id });
    const room = await system.db('rooms').where('id', room_id).first();
    const form = {
      ...{ name: room.name, description: '', price: '20', currency: 'usd', capacity: '10', amenities: '' },
      ...{ time_zone: 'Europe/London', opening_time: '00:00', closing_time: '00:00', slot_minutes: '30' },
      ...{ available: 'yes', version: '1' },
    };
    const path = `/admin/rooms/${room_id}`;
    const refused = await browser.fill(path, form);
    expect(refused.status).toBe(409);
    expect(refused.text).toContain(`/admin/bookings/${held.id}`);
    expect(refused.text).toContain('name="keep_wall_clock"');
    expect((await system.db('rooms').where('id', room_id).first()).time_zone).toBe('Europe/Berlin');
    expect((await browser.fill(path, { ...form, keep_wall_clock: 'yes' })).status).toBe(303);
    // 00:00 as the end of the day is its midnight, in this form too.
    expect(await system.db('rooms').where('id', room_id).first()).toMatchObject({
      time_zone: 'Europe/London',
      closing_time: '24:00:00',
    });
    expect(await stayOf(held.id)).toMatchObject({ time_zone: 'Europe/London' });
  });

  test('a zone is refused in which a booking would have begun, or in which the clocks change in it', async () => {
    const room_id = await system.newRoom();
    // Within the next hours in UTC, and so over in Kiritimati.
    const soon = new Date(Math.ceil(Date.now() / 1_800_000 + 1) * 1_800_000);
    const [from, to] = [0, 30].map((minutes) =>
      new Date(soon.getTime() + minutes * 60_000).toISOString().slice(11, 16),
    );
    const today = soon.toISOString().slice(0, 10);
    const first = await newBooking(system, guest, {
      ...{ room_id, booking_date: today, start_time: from, end_time: to },
    });
    const night = await newBooking(system, guest, {
      ...{ room_id, booking_date: nextClockChange(3), start_time: '02:00', end_time: '02:30' },
    });
    expect(await setZone(room_id, 'Europe/Berlin', false)).toMatchObject({
      code: 'bookings_ahead',
      count: 2,
    });
    expect(await setZone(room_id, 'Pacific/Kiritimati', true)).toMatchObject({
      code: 'bookings_cannot_move',
      bookings: [{ id: first.id, reason: 'in_the_past' }],
    });
    await system.call('POST', `/api/bookings/${first.id}/cancel/`, { token: guest.token });
    expect(await setZone(room_id, 'Europe/Berlin', true)).toMatchObject({
      code: 'bookings_cannot_move',
      count: 1,
      bookings: [{ id: night.id, start_time: '02:00:00', reason: 'clock_change' }],
    });
    expect(await stayOf(night.id)).toMatchObject({ time_zone: 'UTC', sequence: 0 });
    expect((await Room.query(system.db).findById(room_id))?.time_zone).toBe('UTC');
  });

  test('a hold that begins earlier in the new zone ends earlier, and its workflow knows', async () => {
    // Tomorrow at noon in Pago Pago is far enough away to begin 25 hours earlier.
    const room_id = await system.newRoom({ time_zone: 'Pacific/Pago_Pago' });
    const held = await newBooking(system, guest, { room_id, booking_date: dayAhead(2) });
    await rows(system.db, `update bookings set hold_expires_at = lower(during) where id = ?`, [held.id]);
    const { ref } = await stayOf(held.id);
    await until('its workflow', async () => {
      const left = await rows(system.db, `select 1 from outbox where payload ->> 'bookingRef' = ?`, [ref]);
      return left.length === 0;
    });
    expect(await setZone(room_id, 'Pacific/Kiritimati', true)).toBeUndefined();
    const { starts, hold_expires_at } = await stayOf(held.id);
    expect(hold_expires_at).toEqual(starts);
    const handle = temporal.workflow.getHandle(bookingWorkflowId(ref));
    await until('the new deadline', async () => {
      const view = await handle.query(holdQuery);
      return view.holdExpiresAt === starts.toISOString();
    });
  });

  test('in a new zone the later of the two starts decides about a cancellation', async () => {
    // In two hours in Kiritimati, and 25 hours later in Pago Pago: within the day of free cancellation, and before it.
    const start = Math.ceil(Date.now() / 1_800_000 + 4) * 1_800_000;
    const [from = '', to = ''] = [14, 14.5].map((hours) => new Date(start + hours * 3_600_000).toISOString());
    const room_id = await system.newRoom({ time_zone: 'Pacific/Pago_Pago' });
    const booked = await newBooking(system, guest, {
      ...{
        room_id,
        booking_date: from.slice(0, 10),
        start_time: from.slice(11, 16),
        end_time: to.slice(11, 16),
      },
    });
    await confirm(guest, booked.id);
    expect(await setZone(room_id, 'Pacific/Kiritimati', true)).toBeUndefined();
    expect((await stayOf(booked.id)).starts).toEqual(new Date(start));
    await system.call('POST', `/api/bookings/${booked.id}/cancel/`, { token: guest.token });
    const refunds = await rows(
      system.db,
      'select 1 from refunds f join payments p on p.id = f.payment_id where p.booking_id = ?',
      [booked.id],
    );
    expect(refunds).toHaveLength(1);
  });

  describe('instants that no longer belong to their time of day', () => {
    const correctAll = async () => {
      let corrected = 0;
      let afterId = 0;
      do {
        const part = await correctInstants(system.db, { afterId, limit: 2, actor: 'reconciler' });
        corrected += part.corrected;
        afterId = part.nextAfterId;
      } while (afterId !== 0);
      return corrected;
    };

    test('are corrected with an event and a flag each: the rules of the zone have changed', async () => {
      expect(await correctAll()).toBe(0);
      const room_id = await system.newRoom({ time_zone: 'Europe/Berlin' });
      const [one, two, right] = await Promise.all(
        [9, 11, 13].map((hour) =>
          newBooking(system, guest, {
            room_id,
            start_time: `${hour}:00`.padStart(5, '0'),
            end_time: `${hour + 1}:00`,
          }),
        ),
      );
      await confirm(guest, one.id);
      // As they were when the zone had another offset.
      await rows(
        system.db,
        `update bookings set during = tstzrange(lower(during) + interval '1 hour', upper(during) + interval '1 hour')
          where id = any(?)`,
        [[one.id, two.id]],
      );
      expect(await correctAll()).toBe(2);
      for (const { id, starts_at, ends_at } of [one, two]) {
        const { starts, ends, ref, sequence } = await stayOf(id);
        expect([starts, ends, sequence]).toEqual([new Date(starts_at), new Date(ends_at), 1]);
        const flags = await rows(system.db, 'select kind from flags where subject = ?', [ref]);
        expect(flags).toEqual([{ kind: 'clock_rules_changed' }]);
      }
      expect(await stayOf(right.id)).toMatchObject({ sequence: 0 });
      expect(await correctAll()).toBe(0);
    });

    test('are corrected where a room’s zone was changed without the service', async () => {
      const room_id = await system.newRoom({ time_zone: 'Europe/Berlin' });
      const held = await newBooking(system, guest, { room_id });
      await system.db('rooms').where('id', room_id).update({ time_zone: 'America/New_York' });
      expectProblem(await requestBooking(system, other, { room_id }), 'slot_taken');
      const { body } = await system.call('GET', `/api/bookings/${held.id}/`, { token: guest.token });
      expect(body).toMatchObject({ time_zone: 'Europe/Berlin', starts_at: held.starts_at });
      const report: ReconcileReport = await temporal.workflow.execute('reconcileWorkflow', {
        taskQueue: system.config.temporal.taskQueue,
        workflowId: `reconcile-${randomUUID()}`,
      });
      expect(report.correctedInstants).toBe(1);
      const { startsAt } = resolveRange(held.booking_date, 540, 600, 'America/New_York');
      expect(await stayOf(held.id)).toMatchObject({ time_zone: 'America/New_York', starts: startsAt });
    });
  });

  test('a completed stay keeps its time until a day after its end', async () => {
    const room_id = await system.newRoom();
    const stay = await newBooking(system, guest, { room_id });
    await confirm(guest, stay.id);
    // A wrong clock has completed it a week too early.
    await rows(
      system.db,
      `update bookings set during = tstzrange(now() - interval '2 hours', now() - interval '1 hour') where id = ?`,
      [stay.id],
    );
    await completeStays(system.db, { actor: 'test', limit: 100 });
    expect(await stayOf(stay.id)).toMatchObject({ status: 'completed', claims: 1 });
    expectProblem(await requestBooking(system, other, { room_id }), 'slot_taken');
    const path = `/api/rooms/${room_id}/availability/?date=${dayAhead(7)}`;
    const { body } = await system.call('GET', path);
    expect(body.slots[18]).toMatchObject({ start_time: '09:00:00', status: 'booked' });

    const endedBefore = (interval: string) =>
      rows(
        system.db,
        `with ended as (
           update bookings set during = tstzrange(now() - interval '3 days', now() - ?::interval) where id = ?
         )
         update claims set during = tsrange((now() at time zone 'UTC') - interval '4 days',
                                            (now() at time zone 'UTC') - interval '3 days') where booking_id = ?`,
        [interval, stay.id, stay.id],
      );
    await endedBefore('23 hours');
    await deleteOutdated(system.db, Date.now() + 10_000);
    expect(await stayOf(stay.id)).toMatchObject({ claims: 1 });
    await endedBefore('25 hours');
    await deleteOutdated(system.db, Date.now() + 10_000);
    expect(await stayOf(stay.id)).toMatchObject({ claims: 0 });
  });

  test('PG-04 raw SQL takes and gives back time with the state of the booking', async () => {
    const room_id = await system.newRoom();
    const held = await newBooking(system, guest, { room_id });
    await requestIntent(system, guest, held.id);
    await asOwner(system, async (owner) => {
      const move = (status: string) =>
        owner.query('update bookings set status = $1 where id = $2', [status, held.id]);
      await move('expired');
      expect(await stayOf(held.id)).toMatchObject({ claims: 0 });
      const rival = await newBooking(system, other, { room_id });
      await expect(
        owner.query(
          `update bookings b set status = 'confirmed', confirmed_payment_id = p.id from payments p
            where b.id = $1 and p.booking_id = b.id`,
          [held.id],
        ),
      ).rejects.toMatchObject({ code: '23P01', constraint: 'claims_slot_taken' });
      // A stay that is moved by hand takes its claim along.
      await owner.query(`update bookings set booking_date = booking_date + 1 where id = $1`, [rival.id]);
      const { rows: moved } = await owner.query(
        `select 1 from claims c join bookings b on b.id = c.booking_id
          where b.id = $1 and c.during = wall_clock(b.booking_date, b.start_time, b.end_time)`,
        [rival.id],
      );
      expect(moved).toHaveLength(1);
    });
  });

  test('a zone change, holds and payments at once: no hour is sold twice, no instant is of another zone', async () => {
    const zones = ['Europe/Berlin', 'Europe/London', 'Asia/Tokyo', 'America/New_York'];
    const room_id = await system.newRoom({ time_zone: 'UTC' });
    const guests = await Promise.all(Array.from({ length: 4 }, () => system.newUser()));
    const tryOnce = async (user: TestUser, hour: number) => {
      const times = { start_time: `${10 + hour}:00`, end_time: `${11 + hour}:00` };
      const answer = await requestBooking(system, user, { room_id, ...times });
      if (answer.status !== 201) return answer.body.code;
      const { body } = await requestIntent(system, user, answer.body.id);
      await system.stripe.control.pay(body.payment_intent_id);
      return answer.status;
    };
    const results = await Promise.all(
      Array.from({ length: 6 }, (_, hour) => [
        ...guests.map((user) => tryOnce(user, hour)),
        setZone(room_id, zones[hour % zones.length] as string, true),
      ]).flat(),
    );
    // A zone that was set concurrently is not overwritten; a booking that met edits may be told to retry.
    expect(results.filter((result) => result === 201)).not.toHaveLength(0);
    for (const result of results) expect([201, 'slot_taken', 'overloaded', undefined]).toContain(result);
    const stays = await rows<Record<string, string | number>>(
      system.db,
      `select b.id, b.time_zone, r.time_zone as zone, (select count(*)::int from claims c where c.booking_id = b.id) as claims,
              lower(b.during) = (b.booking_date + b.start_time) at time zone r.time_zone as right,
              (select count(*)::int from bookings o where o.room_id = b.room_id and o.booking_date = b.booking_date
                 and o.start_time = b.start_time and o.status in ('pending', 'confirmed')) as at_once
         from bookings b join rooms r on r.id = b.room_id where b.room_id = ? and b.status in ('pending', 'confirmed')`,
      [room_id],
    );
    for (const stay of stays) {
      expect(stay).toMatchObject({ time_zone: stay['zone'], claims: 1, right: true, at_once: 1 });
    }
  });

  describe('a database whose clock is a day ahead', () => {
    /** Its `clock_timestamp()` says tomorrow, for the connections that are made from now on. */
    const setClock = (ahead: boolean) =>
      asOwner(system, async (owner) => {
        const name = new URL(system.database.url).pathname.slice(1);
        await owner.query(`
          create or replace function public.clock_timestamp() returns timestamptz language sql volatile
            as $$ select pg_catalog.clock_timestamp() + interval '26 hours' $$;
          alter database ${name} ${ahead ? 'set search_path = public, pg_catalog' : 'reset search_path'}`);
        // Past the service's pool: its own connections are the ones that go.
        const app = new pg.Client({ connectionString: system.database.url });
        await app.connect();
        await app.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where usename = current_user and datname = current_database() and pid <> pg_backend_pid()`,
        );
        await app.end();
      });

    /** Runs `work` while connections have the wrong clock. */
    async function withWrongClock<T>(work: () => Promise<T>): Promise<T> {
      await setClock(true);
      try {
        await until('a connection with the wrong clock', async () => (await clockIsAhead()) === true);
        return await work();
      } finally {
        await setClock(false);
        await until('the right clock', async () => (await clockIsAhead()) === false);
      }
    }

    async function clockIsAhead(): Promise<boolean | undefined> {
      const ahead = await rows<{ wrong: boolean }>(
        system.db,
        "select clock_timestamp() > now() + interval '1 day' as wrong",
      ).catch(() => []);
      return ahead[0]?.wrong;
    }

    const endHold = ({ id }: { id: number }) =>
      rows(system.db, `update bookings set hold_expires_at = now() + interval '1 hour' where id = ?`, [id]);

    test('PG-13 a request that collides with a hold does not end it', async () => {
      const room_id = await system.newRoom();
      const held = await newBooking(system, guest, { room_id });
      await endHold(held);
      const refused = await withWrongClock(() => requestBooking(system, guest, { room_id }));
      expectProblem(refused, 'slot_taken');
      expect((await stayOf(held.id)).status).toBe('pending');
    });

    test('a hold that was made then gets its time from the moment on at which the clock is right', async () => {
      const held = await withWrongClock(() => newBooking(system, guest, {}));
      const secondsLeft = async () => {
        const [hold] = await rows<{ seconds: number; leased: boolean }>(
          system.db,
          `select extract(epoch from hold_expires_at - now())::float8 as seconds,
                  settle_lease_until is not null as leased
             from bookings where id = ?`,
          [held.id],
        );
        return hold;
      };
      await rows(
        system.db,
        `update bookings set settle_lease_until = now() + interval '26 hours' where id = ?`,
        [held.id],
      );
      expect((await secondsLeft())?.seconds).toBeGreaterThan(25 * 3_600);
      expect(await endDelaysOfWrongClock(system.db, 100)).toBeGreaterThan(0);
      const hold = await secondsLeft();
      expect(hold?.leased).toBe(false);
      expect(hold?.seconds).toBeGreaterThan(0);
      expect(hold?.seconds).toBeLessThanOrEqual(system.config.holdMs / 1_000);
      expect(await endDelaysOfWrongClock(system.db, 100)).toBe(0);
    });

    test('PG-13 ends no stay and no hold in bulk, and raises a flag', async () => {
      const room_id = await system.newRoom();
      const [stay, held] = await Promise.all([
        newBooking(system, guest, {
          room_id,
          booking_date: dayAhead(1),
          start_time: '00:00',
          end_time: '00:30',
        }),
        newBooking(system, guest),
      ]);
      await confirm(guest, stay.id);
      await rows(
        system.db,
        `update bookings set during = tstzrange(now() + interval '1 hour', now() + interval '2 hours') where id = ?`,
        [stay.id],
      );
      await rows(system.db, `update bookings set hold_expires_at = now() + interval '1 hour' where id = ?`, [
        held.id,
      ]);
      await setClock(true);
      try {
        await until('a connection with the wrong clock', async () => {
          const ahead = await rows<{ wrong: boolean }>(
            system.db,
            "select clock_timestamp() > now() + interval '1 day' as wrong",
          ).catch(() => []);
          return ahead[0]?.wrong;
        });
        const answer = await system.call('POST', '/api/cleanup-expired-bookings/');
        expect(answer.body).toEqual({ expired: 0, confirmed: 0, completed: 0, left: 0 });
        const report: ReconcileReport = await temporal.workflow.execute('reconcileWorkflow', {
          taskQueue: system.config.temporal.taskQueue,
          workflowId: `reconcile-${randomUUID()}`,
        });
        expect(report).toMatchObject({ completedStays: 0, overdueHolds: 0, rowsDeleted: 0 });
      } finally {
        await setClock(false);
      }
      const state = await until('the right clock', () =>
        Promise.all([stay, held].map(({ id }) => stayOf(id))).catch(() => undefined),
      );
      expect(state.map(({ status }) => status)).toEqual(['confirmed', 'pending']);
      const flags = await rows(system.db, `select subject from flags where kind = 'clocks_differ'`);
      expect(flags).toEqual([{ subject: 'database' }]);
    });
  });
});
