import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import {
  asOwner,
  bookingBody,
  expectProblem,
  newBooking,
  requestBooking,
  showBooking,
} from '../factories.ts';
import { dayAhead, startSystem, type System } from '../setup/system.ts';

describe('making a booking', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      settings: { LIMIT_OPEN_HOLDS: '3', BOOKING_HORIZON_DAYS: '30' },
    });
  });
  afterAll(() => system.stop());

  test.each(['/api/bookings/', '/api/bookings'])('%s answers 201 with the booking', async (path) => {
    const guest = await system.newUser();
    const room = await system.newRoom({ name: `Blue ${path}`, time_zone: 'Asia/Tokyo', price_minor: 1_999 });
    const before = Date.now();
    const { status, body } = await system.call('POST', path, {
      token: guest.token,
      body: bookingBody(room, { special_requests: 'Tea, please. ☕' }),
    });
    expect(status).toBe(201);
    const date = dayAhead(7);
    expect(body).toEqual({
      id: expect.any(Number),
      user_id: guest.id,
      user_name: guest.email,
      user_email: guest.email,
      room_id: room,
      room_name: `Blue ${path}`,
      booking_date: date,
      start_time: '09:00:00',
      end_time: '10:00:00',
      starts_at: `${date}T00:00:00.000Z`,
      ends_at: `${date}T01:00:00.000Z`,
      time_zone: 'Asia/Tokyo',
      guest_count: 2,
      special_requests: 'Tea, please. ☕',
      total_amount: 39.98,
      currency: 'usd',
      number_of_slots: 2,
      status: 'pending',
      payment_status: 'pending',
      hold_expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      created_at: expect.stringMatching(/Z$/),
      hold_seconds_left: 1_800,
      payment: null,
    });
    expect(Math.abs(Date.parse(body.hold_expires_at) - before - 30 * 60_000)).toBeLessThan(2_000);
    const shown = await showBooking(system, guest, body.id);
    expect(shown.hold_seconds_left).toBeGreaterThan(1_790);
    expect({ ...shown, hold_seconds_left: 1_800 }).toEqual(body);
  });

  test('times with seconds and the client’s own user_id are accepted', async () => {
    const guest = await system.newUser();
    const answer = await requestBooking(system, guest, {
      start_time: '09:00:00',
      end_time: '10:00:00',
      user_id: guest.id,
    });
    expect(answer.status).toBe(201);
    expect(answer.body.special_requests).toBeNull();
  });

  test('a booking may end at midnight', async () => {
    const booking = await newBooking(system, await system.newUser(), {
      start_time: '23:30',
      end_time: '24:00',
    });
    expect(booking).toMatchObject({ end_time: '24:00:00', ends_at: `${dayAhead(8)}T00:00:00.000Z` });
  });

  test.each([
    [{ start_time: '23:30', end_time: '00:00' }, 1],
    [{ start_time: '23:30', end_time: '00:00:00' }, 1],
    [{ start_time: '00:00', end_time: '00:00' }, 48],
  ])('an end at 00:00 is the midnight that the day ends with: %j', async (times, slots) => {
    const booking = await newBooking(system, await system.newUser(), times);
    const midnight = `${dayAhead(8)}T00:00:00.000Z`;
    expect(booking).toMatchObject({ end_time: '24:00:00', ends_at: midnight, number_of_slots: slots });
  });

  test('a hold ends when its stay begins, though a hold may be longer', async () => {
    // Slots of five minutes: the next begins within five, and a hold may take thirty.
    const room_id = await system.newRoom({ slot_duration_minutes: 5 });
    const start = new Date(Math.ceil((Date.now() + 2_000) / 300_000) * 300_000);
    const [from, to] = [start, new Date(start.getTime() + 300_000)].map((at) =>
      at.toISOString().slice(11, 16),
    );
    const booking = await newBooking(system, await system.newUser(), {
      room_id,
      booking_date: start.toISOString().slice(0, 10),
      start_time: from,
      end_time: to,
    });
    expect(booking.hold_expires_at).toBe(start.toISOString());
    expect(booking.hold_seconds_left).toBeLessThanOrEqual(
      Math.ceil((start.getTime() - Date.now()) / 1000) + 1,
    );
  });

  test('a zero-decimal currency is shown and stored in its own units', async () => {
    const room_id = await system.newRoom({ currency: 'jpy', price_minor: 5_000 });
    const booking = await newBooking(system, await system.newUser(), { room_id });
    expect(booking).toMatchObject({ total_amount: 10_000, currency: 'jpy' });
    const stored = await rows(system.db, 'select amount_minor, currency from bookings where id = ?', [
      booking.id,
    ]);
    expect(stored).toEqual([{ amount_minor: 10_000, currency: 'jpy' }]);
  });

  const open = { opening_time: '09:00', closing_time: '18:00' };
  test.each([
    ['end_before_start', 'end_time', { start_time: '10:00', end_time: '10:00' }, {}],
    ['end_before_start', 'end_time', { start_time: '10:00', end_time: '09:00' }, {}],
    ['outside_opening_hours', 'start_time', { start_time: '08:30', end_time: '09:30' }, open],
    ['outside_opening_hours', 'end_time', { start_time: '17:30', end_time: '18:30' }, open],
    ['off_grid', 'start_time', { start_time: '09:15', end_time: '10:00' }, open],
    ['off_grid', 'end_time', { start_time: '09:00', end_time: '09:45' }, open],
    ['over_capacity', 'guest_count', { guest_count: 11 }, {}],
    ['in_the_past', 'start_time', { booking_date: dayAhead(-1) }, {}],
    ['off_grid', 'start_time', { start_time: '09:00:30' }, {}],
    ['too_far_ahead', 'booking_date', { booking_date: dayAhead(32) }, {}],
    ['too_long', 'end_time', { start_time: '00:00', end_time: '24:00' }, { slot_duration_minutes: 10 }],
  ] as const)('a broken rule has a code of its own: %s, of %s', async (code, field, differing, room) => {
    const room_id = await system.newRoom(room);
    expectProblem(
      await requestBooking(system, await system.newUser(), { room_id, ...differing }),
      code,
      field,
    );
    expect(await rows(system.db, 'select 1 from bookings where room_id = ?', [room_id])).toEqual([]);
  });

  test('a slot that is too far ahead is shown closed, the last before it free', async () => {
    const room_id = await system.newRoom();
    const path = `/api/rooms/${room_id}/availability/?from=${dayAhead(29)}&to=${dayAhead(31)}`;
    const { body } = await system.call('GET', path);
    const closed = body.slots.filter(({ status }: { status: string }) => status === 'closed');
    const first = body.slots.indexOf(closed[0]);
    expect(Date.parse(closed[0].starts_at) - Date.now() - 30 * 86_400_000).toBeLessThan(30 * 60_000);
    expect(body.slots.slice(0, first).every(({ status }: { status: string }) => status === 'free')).toBe(
      true,
    );
    expect(body.slots.slice(first)).toEqual(closed);
    const guest = await system.newUser();
    const [last, beyond] = [body.slots[first - 2], closed[1]].map((slot) => ({
      room_id,
      booking_date: slot.date,
      start_time: slot.start_time,
      end_time: slot.end_time,
    }));
    expect((await requestBooking(system, guest, last)).status).toBe(201);
    expectProblem(await requestBooking(system, guest, beyond), 'too_far_ahead', 'booking_date');
  });

  test('the horizon is the same whatever the time zone of the database', async () => {
    // In a year every one of these clocks changes twice: there a day of Postgres has 23 or 25 hours.
    await system.newRoom();
    const spans = await asOwner(system, async (owner) => {
      const found: number[] = [];
      for (const zone of ['UTC', 'America/New_York', 'Australia/Sydney']) {
        await owner.query(`set time zone '${zone}'`);
        const { rows: asked } = await owner.query(
          `select (hold_slot(jsonb_build_object('roomId', r.id, 'roomVersion', r.version, 'startsAt', s.at, 'horizonDays', d,
                     'date', '2030-01-01', 'startTime', '09:00', 'endTime', '10:00', 'userId', 0,
                     'openHoldsMax', 0, 'repeatedHoldsMax', 0))).outcome, d
             from (select id, version from rooms limit 1) r, generate_series(1, 366) d,
                  lateral (select clock_timestamp() + d * interval '24 hours' - interval '1 minute' as at) s`,
        );
        found.push(asked.filter(({ outcome }) => outcome === 'too_far_ahead').length);
      }
      return found;
    });
    expect(spans).toEqual([0, 0, 0]);
  });

  test.each<[string, unknown]>([
    ['room_id', undefined],
    ['room_id', '1'],
    ['booking_date', '2030-02-30'],
    ['booking_date', '25.10.2030'],
    ['start_time', '9:00'],
    ['start_time', '23:59:60'],
    ['end_time', '25:00'],
    ['guest_count', 0],
    ['guest_count', 1.5],
    ['special_requests', 'x'.repeat(2_001)],
    ['user_id', 'me'],
  ])('HT-12 a malformed %s is named: %s', async (field, value) => {
    const answer = await requestBooking(system, await system.newUser(), { room_id: 1, [field]: value });
    expectProblem(answer, 'invalid_request', field);
  });

  test('every malformed field is named at once', async () => {
    const { token } = await system.newUser();
    const answer = await system.call('POST', '/api/bookings/', { token, body: {} });
    expectProblem(answer, 'invalid_request');
    const fields = answer.body.errors.map((error: { field: string }) => error.field);
    expect(fields).toEqual(['room_id', 'booking_date', 'start_time', 'end_time', 'guest_count']);
  });

  test('AZ-03 ST-13 nothing that the server decides can be sent', async () => {
    const guest = await system.newUser();
    for (const field of [
      'total_amount',
      'amount',
      'price',
      'currency',
      'status',
      'payment_status',
      'hold_expires_at',
      'created_at',
      'payment_intent_id',
      'id',
      '__proto__x',
    ]) {
      expectProblem(
        await requestBooking(system, guest, { room_id: 1, [field]: 1 }),
        'invalid_request',
        field,
      );
    }
  });

  test('a room that is unknown or not available cannot be booked', async () => {
    const guest = await system.newUser();
    expectProblem(await requestBooking(system, guest, { room_id: 999_999 }), 'room_not_found');
    const room_id = await system.newRoom({ is_available: false });
    expectProblem(await requestBooking(system, guest, { room_id }), 'room_not_found');
  });

  test('a room that was edited since the last booking is checked by its current rules', async () => {
    const guest = await system.newUser();
    const room_id = await system.newRoom();
    expect(await newBooking(system, guest, { room_id })).toMatchObject({ total_amount: 40 });
    await system.db('rooms').where('id', room_id).update({ price_minor: 2_550, capacity: 3 });
    const later = { room_id, start_time: '12:00', end_time: '13:00' };
    expect(await newBooking(system, guest, later)).toMatchObject({ total_amount: 51 });
    expectProblem(
      await requestBooking(system, guest, { ...later, guest_count: 4 }),
      'over_capacity',
      'guest_count',
    );
    await system.db('rooms').where('id', room_id).update({ is_available: false });
    expectProblem(await requestBooking(system, guest, { ...later, start_time: '12:30' }), 'room_not_found');
    expectProblem(
      await requestBooking(system, guest, { room_id, start_time: '15:00', end_time: '16:00' }),
      'room_not_found',
    );
    await system.db('rooms').where('id', room_id).update({ is_available: true });
    expect(
      (await requestBooking(system, guest, { room_id, start_time: '15:00', end_time: '16:00' })).status,
    ).toBe(201);
  });

  test('users book for themselves; staff book for others', async () => {
    const [guest, other, staff] = await Promise.all([
      system.newUser(),
      system.newUser(),
      system.newUser({ isStaff: true }),
    ]);
    expectProblem(await requestBooking(system, guest, { user_id: other.id }), 'not_your_user');
    const booking = await newBooking(system, staff, { user_id: other.id });
    expect(booking).toMatchObject({ user_id: other.id, user_email: other.email });
    expect((await showBooking(system, other, booking.id)).id).toBe(booking.id);
    const events = await rows(
      system.db,
      'select actor, from_status, to_status, cause from booking_events where booking_id = ?',
      [booking.id],
    );
    expect(events).toEqual([
      { actor: `staff:${staff.id}`, from_status: null, to_status: 'pending', cause: 'requested' },
    ]);
    expectProblem(await requestBooking(system, staff, { user_id: 999_999 }), 'invalid_request', 'user_id');
  });

  test('a disabled user’s token makes no booking', async () => {
    const guest = await system.newUser();
    await rows(system.db, 'update users set is_active = false where id = ?', [guest.id]);
    expectProblem(await requestBooking(system, guest), 'invalid_token');
    const staff = await system.newUser({ isStaff: true });
    expectProblem(await requestBooking(system, staff, { user_id: guest.id }), 'invalid_request', 'user_id');
  });

  test('AZ-06 of ten holds asked for at once a user gets the three that are allowed', async () => {
    const guest = await system.newUser();
    const answers = await Promise.all(Array.from({ length: 10 }, () => requestBooking(system, guest)));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(7);
    for (const answer of refused) {
      expectProblem(answer, 'too_many_holds');
      expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0);
    }
  });

  test('AZ-06 a hold that has lapsed or was cancelled does not count', async () => {
    const guest = await system.newUser();
    for (let n = 0; n < 3; n++) await newBooking(system, guest);
    expectProblem(await requestBooking(system, guest), 'too_many_holds');
    await rows(
      system.db,
      `update bookings set hold_expires_at = now() where id = (select min(id) from bookings where user_id = ?)`,
      [guest.id],
    );
    await newBooking(system, guest);
    expectProblem(await requestBooking(system, guest), 'too_many_holds');
  });
});
