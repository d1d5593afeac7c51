import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import type { ProblemCode } from '../../domain/problems.ts';
import { expectProblem, newBooking, nextClockChange, requestBooking, requestIntent } from '../factories.ts';
import { type Answer, dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('rooms and their availability', () => {
  let system: System;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ settings: { HOLD_MINUTES: '30' } });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  /** An answer as its bytes came: fetch would unpack it. */
  async function raw(path: string, encodings: string, token?: string) {
    const headers = { 'Accept-Encoding': encodings, ...(token && { Authorization: `Bearer ${token}` }) };
    const request = get(system.url + path, { headers });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { headers: response.headers, bytes: Buffer.concat(chunks) };
  }

  const availability = (room: number | string, query: string): Promise<Answer> =>
    system.call('GET', `/api/rooms/${room}/availability/${query}`);
  const slotAt = (answer: Answer, start: string) =>
    answer.body.slots.find((slot: { start_time: string }) => slot.start_time === start);

  test.each(['/api/rooms/', '/api/rooms'])(
    '%s lists the rooms that can be booked, to anyone',
    async (path) => {
      const id = await system.newRoom({
        name: `Shown ${path}`,
        opening_time: '09:00',
        closing_time: '18:00',
      });
      const hidden = await system.newRoom({ is_available: false });
      const { status, body } = await system.call('GET', path);
      expect(status).toBe(200);
      expect(Object.keys(body)).toEqual(['count', 'rooms', 'next']);
      expect(body.count).toBe(body.rooms.length);
      expect(body.rooms.find((room: { id: number }) => room.id === hidden)).toBeUndefined();
      expect(body.rooms.find((room: { id: number }) => room.id === id)).toEqual({
        id,
        name: `Shown ${path}`,
        description: '',
        price_per_slot: 20,
        currency: 'usd',
        capacity: 10,
        amenities: [],
        is_available: true,
        slot_duration_minutes: 30,
        opening_time: '09:00:00',
        closing_time: '18:00:00',
        time_zone: 'UTC',
      });
    },
  );

  test('the list of rooms goes on page by page until its end, and says how many there are', async () => {
    await rows(
      system.db,
      `insert into rooms (name, price_minor, currency, capacity, opening_time, closing_time, time_zone)
       select 'Many ' || n, 2000, 'usd', 4, '09:00', '18:00', 'UTC' from generate_series(1, 1100) n`,
    );
    const all = (
      await rows<{ id: number }>(system.db, 'select id from rooms where is_available order by id')
    ).map(({ id }) => id);
    for (const [query, pageRows] of [
      ['', 1_000],
      ['limit=400', 400],
    ] as const) {
      const seen: number[] = [];
      for (let next: string | null = ''; next !== null; ) {
        const { body } = await system.call('GET', `/api/rooms/?${query}${next && `&cursor=${next}`}`);
        expect(body.count).toBe(all.length);
        expect(body.rooms.length).toBeLessThanOrEqual(pageRows);
        seen.push(...body.rooms.map((room: { id: number }) => room.id));
        next = body.next;
      }
      expect(seen).toEqual(all);
    }
    await rows(system.db, `delete from rooms where name like 'Many %'`);
  });

  test.each([
    ['limit=0', 'invalid_request'],
    ['limit=1001', 'invalid_request'],
    ['limit=x', 'invalid_request'],
    ['page=2', 'invalid_request'],
    ['cursor=x', 'invalid_cursor'],
    [`cursor=${Buffer.from('before:1').toString('base64url')}`, 'invalid_cursor'],
    [`cursor=${Buffer.from('after:9999999999').toString('base64url')}`, 'invalid_cursor'],
  ] as const)('the list of rooms refuses %s', async (query, code) => {
    expectProblem(await system.call('GET', `/api/rooms/?${query}`), code);
  });

  test('a day shows every slot, free, held with the time it frees, and booked', async () => {
    const room = await system.newRoom({
      opening_time: '09:00',
      closing_time: '12:00',
      time_zone: 'Asia/Tokyo',
    });
    const date = dayAhead(7);
    const held = await newBooking(system, guest, { room_id: room, start_time: '09:00', end_time: '10:00' });
    const booked = await newBooking(system, guest, { room_id: room, start_time: '11:00', end_time: '11:30' });
    const intent = await requestIntent(system, guest, booked.id);
    await system.stripe.control.pay(intent.body.payment_intent_id);
    const answer = await until('the confirmation', async () => {
      const seen = await availability(room, `?date=${date}`);
      return slotAt(seen, '11:00:00').status === 'booked' && seen;
    });
    expect(answer.status).toBe(200);
    expect({ ...answer.body, slots: [] }).toEqual({
      room_id: room,
      time_zone: 'Asia/Tokyo',
      from: date,
      to: date,
      slots: [],
    });
    expect(answer.body.slots.map((slot: { status: string }) => slot.status)).toEqual([
      'held',
      'held',
      'free',
      'free',
      'booked',
      'free',
    ]);
    expect(slotAt(answer, '09:30:00')).toEqual({
      date,
      start: `${date}T09:30:00`,
      end: `${date}T10:00:00`,
      start_time: '09:30:00',
      end_time: '10:00:00',
      starts_at: `${date}T00:30:00.000Z`,
      ends_at: `${date}T01:00:00.000Z`,
      status: 'held',
      frees_at: held.hold_expires_at,
    });
    expect(slotAt(answer, '10:00:00').frees_at).toBeNull();
    expect(slotAt(answer, '11:00:00').frees_at).toBeNull();
  });

  test('a lapsed hold that is not settled yet still holds its slot', async () => {
    const room = await system.newRoom();
    const { id } = await newBooking(system, guest, { room_id: room });
    await rows(
      system.db,
      `update bookings set hold_expires_at = now(), settle_lease_until = now() + interval '1 hour' where id = ?`,
      [id],
    );
    expect(slotAt(await availability(room, `?date=${dayAhead(7)}`), '09:00:00').status).toBe('held');
  });

  test('a hold that is kept for a payment under way frees its slot later, not in the past', async () => {
    const room = await system.newRoom();
    const { id } = await newBooking(system, guest, { room_id: room });
    const keptUntil = new Date(Date.now() + 15_000);
    await system
      .db('bookings')
      .where({ id })
      .update({ hold_expires_at: new Date(Date.now() - 60_000), settle_after: keptUntil });
    const slot = slotAt(await availability(room, `?date=${dayAhead(7)}`), '09:00:00');
    expect(slot).toMatchObject({ status: 'held', frees_at: keptUntil.toISOString() });
  });

  test('a slot is as taken as the worst of what occupies it, and frees when the last of it does', async () => {
    // Bookings of half an hour in a room whose slots have become longer.
    const room = await system.newRoom();
    const half = (start_time: string, end_time: string) =>
      newBooking(system, guest, { room_id: room, start_time, end_time });
    const first = await half('09:00', '09:30');
    const second = await half('09:30', '10:00');
    await half('10:00', '10:30');
    const booked = await half('10:30', '11:00');
    const { body: intent } = await requestIntent(system, guest, booked.id);
    await system.stripe.control.pay(intent.payment_intent_id);
    await rows(
      system.db,
      `update bookings set hold_expires_at = hold_expires_at + interval '5 minutes' where id = ?`,
      [first.id],
    );
    await system.db('rooms').where('id', room).update({ slot_duration_minutes: 60 });
    const answer = await until('the confirmation', async () => {
      const seen = await availability(room, `?date=${dayAhead(7)}`);
      return slotAt(seen, '10:00:00').status === 'booked' && seen;
    });
    const later = new Date(Date.parse(second.hold_expires_at) - 1_000).getTime();
    expect(slotAt(answer, '09:00:00').status).toBe('held');
    expect(Date.parse(slotAt(answer, '09:00:00').frees_at)).toBeGreaterThan(later + 200_000);
    expect(slotAt(answer, '10:00:00').frees_at).toBeNull();
    expect(slotAt(answer, '11:00:00')).toMatchObject({ status: 'free', frees_at: null });
  });

  test('a hold that ends too late, or should have ended already, promises nothing', async () => {
    const room = await system.newRoom();
    const { id } = await newBooking(system, guest, { room_id: room });
    const frees = async () => slotAt(await availability(room, `?date=${dayAhead(7)}`), '09:00:00');
    for (const ends of [`lower(during)`, `clock_timestamp() - interval '1 second'`]) {
      await rows(
        system.db,
        `update bookings set hold_expires_at = ${ends}, settle_lease_until = now() + interval '1 hour' where id = ?`,
        [id],
      );
      expect(await frees()).toMatchObject({ status: 'held', frees_at: null });
    }
  });

  test('what has begun is past, today and before, on the room’s own calendar', async () => {
    const room = await system.newRoom({ time_zone: 'Pacific/Kiritimati' });
    const { body } = await availability(room, `?from=${dayAhead(-1)}&to=${dayAhead(2)}`);
    const now = Date.now();
    for (const slot of body.slots) {
      const begun = Date.parse(slot.starts_at) <= now;
      if (Math.abs(Date.parse(slot.starts_at) - now) > 5_000)
        expect(slot.status).toBe(begun ? 'past' : 'free');
    }
    expect(body.slots).toHaveLength(4 * 48);
    const { body: today } = await availability(room, '');
    expect(today.from).toBe(new Date(now + 14 * 3_600_000).toISOString().slice(0, 10));
    expect(today.to).toBe(today.from);
  });

  describe('a room that another process has edited', () => {
    const edit = (id: number, room: object) => system.db('rooms').where('id', id).update(room);

    test.each([
      [{ closing_time: '18:00' }, { closing_time: '20:00' }, { start_time: '18:00', end_time: '19:00' }],
      [{ opening_time: '09:30' }, { opening_time: '09:00' }, { start_time: '09:00', end_time: '10:00' }],
      [
        { slot_duration_minutes: 60 },
        { slot_duration_minutes: 30 },
        { start_time: '12:30', end_time: '13:30' },
      ],
      [{ capacity: 2 }, { capacity: 6 }, { guest_count: 6, start_time: '12:00', end_time: '13:00' }],
    ])('is not refused for what was true before: %j, now %j', async (before, after, request) => {
      const room_id = await system.newRoom(before);
      await newBooking(system, guest, { room_id, start_time: '11:00', end_time: '12:00' });
      await edit(room_id, after);
      expect((await requestBooking(system, guest, { room_id, ...request })).status).toBe(201);
    });

    test('is not refused for the zone that it had before', async () => {
      const room_id = await system.newRoom({ time_zone: 'Pacific/Kiritimati' });
      await newBooking(system, guest, { room_id });
      // Today began up to a day ago in Kiritimati, and 25 hours later in Pago Pago.
      const today = new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10);
      const early = { room_id, booking_date: today, start_time: '00:00', end_time: '01:00' };
      await edit(room_id, { time_zone: 'Pacific/Pago_Pago' });
      expect((await requestBooking(system, guest, early)).status).toBe(201);
    });

    test.each([
      ['in_the_past', { booking_date: dayAhead(-1) }],
      ['too_far_ahead', { booking_date: dayAhead(400) }],
      ['slot_taken', {}],
    ])('has its version compared before a request is refused as %s', async (code, differing) => {
      const room_id = await system.newRoom();
      await newBooking(system, guest, { room_id });
      await edit(room_id, { capacity: 5 });
      const looked: number[] = [];
      const { rooms } = system.server.deps;
      const find = rooms.find.bind(rooms);
      rooms.find = async (id) => {
        const room = await find(id);
        looked.push(room?.version ?? 0);
        return room;
      };
      const answer = await requestBooking(system, guest, { room_id, ...differing });
      rooms.find = find;
      expectProblem(answer, code as ProblemCode);
      expect(looked).toEqual([1, 2]);
    });

    test('and is edited again at every attempt is no taken slot', async () => {
      const { rooms } = system.server.deps;
      const find = rooms.find.bind(rooms);
      rooms.find = async (id) => {
        const room = await find(id);
        return room && { ...room, version: 0 };
      };
      const answer = await requestBooking(system, guest);
      rooms.find = find;
      expectProblem(answer, 'overloaded');
      expect(answer.headers.get('Retry-After')).toBe('1');
    });
  });

  test('a room that is not available has only closed slots', async () => {
    const room = await system.newRoom({ is_available: false, opening_time: '09:00', closing_time: '10:00' });
    const { body } = await availability(room, `?date=${dayAhead(1)}`);
    expect(body.slots.map((slot: { status: string }) => slot.status)).toEqual(['closed', 'closed']);
  });

  test.each([
    // At 02:00 the clocks show 03:00: the slots between do not exist.
    ['forward', 3, ['02:00:00', '02:30:00'], '03:00:00', 'T01:00:00.000Z'],
    // At 03:00 the clocks show 02:00 again: the slots between happen twice.
    ['back', 10, ['02:00:00', '02:30:00'], '03:00:00', 'T02:00:00.000Z'],
  ] as const)(
    'HT-12 where the clocks go %s the slots in between are closed and cannot be booked',
    async (_, month, gone, next, nextAt) => {
      const date = nextClockChange(month);
      const room = await system.newRoom({ time_zone: 'Europe/Berlin' });
      const { body } = await availability(room, `?date=${date}`);
      const closed = body.slots.filter((slot: { status: string }) => slot.status === 'closed');
      const times = closed.map((slot: { start_time: string }) => slot.start_time);
      expect(times).toEqual(expect.arrayContaining([...gone]));
      // Beside those, at most the slot that runs into the change.
      expect(times.filter((time: string) => !gone.includes(time as never) && time !== '01:30:00')).toEqual(
        [],
      );
      expect(closed.every((slot: { starts_at: unknown }) => slot.starts_at === null)).toBe(true);
      const after = body.slots.find((slot: { start_time: string }) => slot.start_time === next);
      expect(after).toMatchObject({ status: 'free', starts_at: `${date}${nextAt}` });
      // A room's day still has its 48 slots.
      expect(body.slots).toHaveLength(48);
      for (const start_time of gone) {
        const end_time = start_time === '02:00:00' ? '02:30' : '03:00';
        const answer = await system.call('POST', '/api/bookings/', {
          token: guest.token,
          body: { room_id: room, booking_date: date, start_time, end_time, guest_count: 1 },
        });
        expectProblem(answer, 'clock_change', 'start_time');
      }
    },
  );

  test.each([
    ['?date=2030-02-30', 'date'],
    ['?date=tomorrow', 'date'],
    ['?from=2030-01-02&to=2030-01-01', 'to'],
    ['?from=2030-01-01&to=2030-02-01', 'to'],
    ['?date=2030-01-01&from=2030-01-01', 'date'],
    ['?day=2030-01-01', 'day'],
    ['?date=2030-01-01&date=2030-01-02', 'date'],
  ])('availability refuses %s', async (query, field) => {
    expectProblem(await availability(await system.newRoom(), query), 'invalid_request', field);
  });

  test.each([
    ['long ago', '?date=1970-01-01', 'date'],
    ['a range long ago', '?from=1970-01-01&to=1970-01-31', 'from'],
    ['of a year that is over', `?date=${dayAhead(-40)}`, 'date'],
    ['beyond the horizon', `?date=${dayAhead(367)}`, 'date'],
    ['far beyond the horizon', '?from=2999-03-01&to=2999-03-31', 'from'],
  ])('availability does not answer for a date %s, and says which it knows', async (_, query, field) => {
    const answer = await availability(await system.newRoom(), query);
    expectProblem(answer, 'invalid_request', field);
    expect(answer.body.detail).toMatch(/too (long ago|far ahead); the .* is \d{4}-\d\d-\d\d\./);
  });

  test('what an answer may cost is bounded by its slots, and a single day is always shown', async () => {
    const room = await system.newRoom({ slot_duration_minutes: 5 });
    const week = await availability(room, `?from=${dayAhead(1)}&to=${dayAhead(7)}`);
    expect(week.body.slots).toHaveLength(7 * 288);
    const month = await availability(room, `?from=${dayAhead(1)}&to=${dayAhead(31)}`);
    expectProblem(month, 'invalid_request', 'to');
    expect(month.body.detail).toBe('This room has 288 slots a day: ask for at most 7 days of it.');
  });

  test('what is public is compressed for who takes it, what holds a secret never', async () => {
    const room = await system.newRoom({ slot_duration_minutes: 5 });
    const week = await raw(
      `/api/rooms/${room}/availability/?from=${dayAhead(1)}&to=${dayAhead(7)}`,
      'gzip, br',
    );
    expect(week.headers['content-encoding']).toBe('gzip');
    const plain = gunzipSync(week.bytes);
    expect(week.bytes.length).toBeLessThan(plain.length / 10);
    expect(JSON.parse(plain.toString()).slots).toHaveLength(7 * 288);
    const identity = await raw(
      `/api/rooms/${room}/availability/?from=${dayAhead(1)}&to=${dayAhead(7)}`,
      'identity',
    );
    expect(identity.headers['content-encoding']).toBeUndefined();
    expect(identity.bytes.equals(plain)).toBe(true);
    const guest = await system.newUser();
    for (let n = 0; n < 8; n++) await newBooking(system, guest, { special_requests: 'x'.repeat(1_900) });
    const mine = await raw('/api/bookings/', 'gzip, br', guest.token);
    expect(mine.bytes.length).toBeGreaterThan(8_000);
    expect(mine.headers['content-encoding']).toBeUndefined();
  });

  test('31 days are shown at most, and of a room that exists', async () => {
    const room = await system.newRoom({ opening_time: '09:00', closing_time: '10:00' });
    const { body } = await availability(room, `?from=${dayAhead(1)}&to=${dayAhead(31)}`);
    expect(body.slots).toHaveLength(62);
    expectProblem(await availability(999_999, `?date=${dayAhead(1)}`), 'room_not_found');
    for (const id of ['0', 'x', '-1', '99999999999']) expectProblem(await availability(id, ''), 'not_found');
  });
});
