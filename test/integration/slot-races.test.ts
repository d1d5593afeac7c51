import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { asOwner, bookingBody, expectProblem, requestBooking } from '../factories.ts';
import { type Answer, dayAhead, startSystem, type System, type TestUser } from '../setup/system.ts';
import { timely } from '../security/run.ts';

describe('many clients at one slot', () => {
  let system: System;
  let guests: TestUser[];
  let admin: pg.Client;
  beforeAll(async () => {
    system = await startSystem({ worker: false, settings: { LIMIT_OPEN_HOLDS: '100' } });
    guests = await Promise.all(Array.from({ length: 50 }, () => system.newUser()));
    admin = new pg.Client({ connectionString: inject('postgres').adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
    await system.stop();
  });

  async function deadlocks(): Promise<number> {
    await admin.query('select pg_stat_clear_snapshot()');
    const name = new URL(system.database.url).pathname.slice(1);
    const { rows: found } = await admin.query('select deadlocks from pg_stat_database where datname = $1', [
      name,
    ]);
    return Number(found[0].deadlocks);
  }

  const overlaps = () =>
    rows(
      system.db,
      `select a.id from bookings a join bookings b on a.id < b.id and a.room_id = b.room_id
          and wall_clock(a.booking_date, a.start_time, a.end_time) && wall_clock(b.booking_date, b.start_time, b.end_time)
        where a.status in ('pending', 'confirmed') and b.status in ('pending', 'confirmed')`,
    );

  /** All of them at once; how long each waited for its answer. */
  async function storm(clients: readonly TestUser[], differing: (n: number) => Record<string, unknown>) {
    const room_id = await system.newRoom();
    return Promise.all(
      clients.map(async (guest, n): Promise<{ answer: Answer; ms: number }> => {
        const begun = performance.now();
        const body = bookingBody(room_id, differing(n));
        const answer = await system.call('POST', '/api/bookings/', { token: guest.token, body });
        return { answer, ms: performance.now() - begun };
      }),
    );
  }

  test('PG-01 PG-02 of fifty clients one gets the slot, the others 409 within a second, without a deadlock', async () => {
    await storm(guests, (n) => ({ booking_date: dayAhead(1 + n) })); // Connections and statements are warm.
    const before = await deadlocks();
    const results = await storm(guests, () => ({}));
    const refused = results.filter(({ answer }) => answer.status !== 201);
    expect(refused).toHaveLength(49);
    for (const { answer } of refused) {
      expectProblem(answer, 'slot_taken');
      expect(answer.body.conflicting_booking).toEqual({ start_time: '09:00:00', end_time: '10:00:00' });
    }
    expect(Math.max(...results.map(({ ms }) => ms))).toBeLessThan(timely(1_000));
    expect(await deadlocks()).toBe(before);
    expect(await overlaps()).toEqual([]);
  });

  test('PG-01 PG-03 in twenty rounds of overlapping requests no two granted ones overlap', async () => {
    const before = await deadlocks();
    const wishes = [
      ['09:00', '09:30'],
      ['09:00', '10:00'],
      ['09:30', '10:00'],
      ['09:00', '12:00'],
      ['10:00', '10:30'],
      ['11:30', '12:00'],
    ] as const;
    for (let round = 0; round < 20; round++) {
      const results = await storm(guests.slice(0, 12), (n) => {
        const [start_time, end_time] = wishes[(n + round) % wishes.length] ?? wishes[0];
        return { start_time, end_time };
      });
      const statuses = new Set(results.map(({ answer }) => answer.status));
      expect([...statuses].sort()).toEqual([201, 409]);
    }
    expect(await overlaps()).toEqual([]);
    expect(await deadlocks()).toBe(before);
  });

  test('PG-03 adjacent slots are free, overlapping ones are taken', async () => {
    const room_id = await system.newRoom({ slot_duration_minutes: 15 });
    const [guest] = guests as [TestUser];
    const ask = (start_time: string, end_time: string) =>
      requestBooking(system, guest, { room_id, start_time, end_time });
    expect((await ask('10:00', '10:30')).status).toBe(201);
    expect((await ask('10:30', '11:00')).status).toBe(201);
    expect((await ask('09:30', '10:00')).status).toBe(201);
    for (const [from, to] of [
      ['10:15', '10:45'],
      ['10:00', '10:15'],
      ['09:00', '12:00'],
      ['10:00', '10:30'],
    ] as const) {
      const answer = await ask(from, to);
      expectProblem(answer, 'slot_taken');
      expect(answer.body.conflicting_booking).toEqual({
        start_time: expect.stringMatching(/^\d\d:\d\d:00$/),
        end_time: expect.stringMatching(/^\d\d:\d\d:00$/),
      });
    }
  });

  test('PG-04 not even the owner of the schema can insert an overlap, or a range that is not half-open', async () => {
    const { body } = await requestBooking(system, guests[0] as TestUser);
    await asOwner(system, async (owner) => {
      const copy = (during: string, [from, to] = ['start_time', 'end_time']) =>
        owner.query(
          `insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
             number_of_slots, guest_count, amount_minor, currency, hold_expires_at, workflow_id)
           select gen_random_uuid(), user_id, room_id, time_zone, ${during}, booking_date, ${from}, ${to},
             number_of_slots, guest_count, amount_minor, currency, hold_expires_at, '' from bookings where id = $1
           returning id`,
          [body.id],
        );
      const overlap = { code: '23P01', constraint: 'claims_slot_taken' };
      await expect(copy('during')).rejects.toMatchObject(overlap);
      // The wall clock decides: other instants make no other time of it.
      await expect(copy("tstzrange('2099-01-01 10:00Z', '2099-01-01 11:00Z')")).rejects.toMatchObject(
        overlap,
      );
      const unbounded = { code: '23514', constraint: 'bookings_during_half_open' };
      for (const range of [
        `tstzrange(lower(during) + interval '1 day', upper(during) + interval '1 day', '[]')`,
        `tstzrange(null, lower(during))`,
        `tstzrange(upper(during), 'infinity')`,
        `'empty'`,
      ]) {
        await expect(copy(range)).rejects.toMatchObject(unbounded);
      }
      const later = 'tstzrange(upper(during), upper(during) + (upper(during) - lower(during)))';
      const { rows: made } = await copy(later, ['end_time', "end_time + interval '1 hour'"]);
      // Nor by moving one that is there, or by opening one again.
      await expect(
        owner.query(
          `update bookings b set start_time = o.start_time, end_time = o.end_time from bookings o
            where b.id = $1 and o.id = $2`,
          [made[0].id, body.id],
        ),
      ).rejects.toMatchObject(overlap);
    });
  });

  test('PG-13 a hold lasts by the database’s clock, whatever the clock of the API says', async () => {
    const realNow = Date.now;
    Date.now = () => realNow() + 600_000;
    try {
      const { body } = await requestBooking(system, guests[1] as TestUser);
      expect(Math.abs(Date.parse(body.hold_expires_at) - realNow() - 30 * 60_000)).toBeLessThan(2_000);
      expect(body.hold_seconds_left).toBe(1_800);
    } finally {
      Date.now = realNow;
    }
  });

  test('PG-13 past and horizon follow the database’s clock too', async () => {
    const realNow = Date.now;
    Date.now = () => realNow() + 30 * 86_400_000;
    try {
      const guest = await system.newUser(); // Its token is of this clock.
      expect((await requestBooking(system, guest)).status).toBe(201);
    } finally {
      Date.now = realNow;
    }
  });
});
