import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { asOwner, expectProblem, newBooking, requestIntent, showBooking } from '../factories.ts';
import { givePassword } from '../setup/panel.ts';
import { dayAhead, startSystem, type System, type TestUser } from '../setup/system.ts';

describe('who sees which bookings', () => {
  let system: System;
  let guest: TestUser;
  let other: TestUser;
  let staff: TestUser;
  let room: number;
  /** The guest's five, oldest first: one a day from the first day ahead, all in one room. */
  const mine: number[] = [];
  let others: number;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    [guest, other, staff] = await Promise.all([
      system.newUser(),
      system.newUser(),
      system.newUser({ isStaff: true }),
    ]);
    room = await system.newRoom();
    for (let day = 1; day <= 5; day++) {
      mine.push((await newBooking(system, guest, { room_id: room, booking_date: dayAhead(day) })).id);
    }
    others = (await newBooking(system, other)).id;
    await rows(system.db, `update bookings set status = 'cancelled' where id = ?`, [mine[2]]);
  });
  afterAll(() => system.stop());

  const get = (path: string, user: TestUser) => system.call('GET', path, { token: user.token });
  const idsOf = (answer: { body: { bookings: { id: number }[] } }) =>
    answer.body.bookings.map(({ id }) => id);
  const newestFirst = (...days: number[]) => days.map((day) => mine[day - 1]).reverse();

  test.each(['/api/bookings/', '/api/bookings'])('%s lists my bookings, newest first', async (path) => {
    const answer = await get(path, guest);
    expect(answer.status).toBe(200);
    expect({ ...answer.body, bookings: [] }).toEqual({
      count: 5,
      count_exact: true,
      bookings: [],
      next: null,
    });
    expect(idsOf(answer)).toEqual(newestFirst(1, 2, 3, 4, 5));
    const {
      hold_seconds_left: _,
      payment: __,
      ...item
    } = await showBooking(system, guest, mine[0] as number);
    expect(answer.body.bookings.at(-1)).toEqual(item);
  });

  test.each<[string, number[]]>([
    ['status=cancelled', [3]],
    ['status=pending', [1, 2, 4, 5]],
    ['status=confirmed', []],
    [`from=${dayAhead(2)}&to=${dayAhead(4)}`, [2, 3, 4]],
    [`from=${dayAhead(4)}`, [4, 5]],
    [`to=${dayAhead(1)}&status=pending`, [1]],
  ])('my bookings filtered by %s', async (query, days) => {
    const answer = await get(`/api/bookings/?${query}`, guest);
    expect(idsOf(answer)).toEqual(newestFirst(...days));
    expect(answer.body.count).toBe(days.length);
  });

  test.each(['/api/bookings/all/', '/api/bookings/all'])(
    '%s shows staff everybody’s bookings',
    async (path) => {
      const answer = await get(path, staff);
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.body)).toEqual(['count', 'count_exact', 'bookings', 'next']);
      expect(idsOf(answer)).toEqual([others, ...newestFirst(1, 2, 3, 4, 5)]);
      expect(answer.body.bookings[0]).toMatchObject({ user_id: other.id, user_email: other.email });
    },
  );

  test('staff filters by room, user, status and dates, and the count follows', async () => {
    for (const [query, ids] of [
      [`room=${room}`, newestFirst(1, 2, 3, 4, 5)],
      [`user=${other.id}`, [others]],
      [`user=${guest.id}&status=pending&from=${dayAhead(4)}`, newestFirst(4, 5)],
      ['room=999999', []],
    ] as const) {
      const answer = await get(`/api/bookings/all/?${query}`, staff);
      expect(idsOf(answer)).toEqual(ids);
      expect(answer.body).toMatchObject({ count: ids.length, count_exact: true });
    }
  });

  test('pages follow one another by cursor, without gap or repeat, also when bookings are added meanwhile', async () => {
    const seen: number[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const answer = await get(`/api/bookings/?limit=2${next && `&cursor=${next}`}`, guest);
      expect(answer.body.count).toBe(seen.length === 0 ? 5 : 6);
      seen.push(...idsOf(answer));
      if (next === '') await newBooking(system, guest, { room_id: room, booking_date: dayAhead(9) });
      next = answer.body.next;
    }
    expect(seen).toEqual(newestFirst(1, 2, 3, 4, 5));
    await rows(system.db, 'delete from outbox');
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=1e9', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=99999999999999999999', 'limit'],
    ['status=paid', 'status'],
    ['from=yesterday', 'from'],
    ['sort=id', 'sort'],
    ['user=1', 'user'],
    [`cursor=${'x'.repeat(65)}`, 'cursor'],
  ])('HT-13 my bookings refuse %s', async (query, field) => {
    expectProblem(await get(`/api/bookings/?${query}`, guest), 'invalid_request', field);
  });

  test('HT-13 a cursor that this list did not give out is refused', async () => {
    const cursors = [
      'x',
      'before:1',
      'YmVmb3JlOjA',
      'YmVmb3JlOjE=',
      Buffer.from('before:9999999999').toString('base64url'),
    ];
    for (const cursor of cursors) {
      expectProblem(
        await get(`/api/bookings/?cursor=${encodeURIComponent(cursor)}`, guest),
        'invalid_cursor',
      );
    }
  });

  test('above 10,000 matches the count is an estimate and says so', async () => {
    await asOwner(system, (owner) =>
      owner.query(
        `insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time, number_of_slots,
         guest_count, amount_minor, currency, hold_expires_at, workflow_id, status)
       select gen_random_uuid(), b.user_id, b.room_id, b.time_zone, b.during, b.booking_date, b.start_time, b.end_time, 2, 1, 4000,
         'usd', now(), '', 'expired' from bookings b, generate_series(1, 10010) where b.id = $1`,
        [others],
      ),
    );
    const { body } = await get('/api/bookings/all/?limit=1', staff);
    expect(body.count_exact).toBe(false);
    expect(body.count).toBeGreaterThan(10_000);
    expect((await get('/api/bookings/?limit=1', guest)).body).toMatchObject({ count_exact: true });
  });

  test('AZ-01 a stranger’s booking is as if it were not there: read, cancel, pay', async () => {
    const id = mine[0] as number;
    for (const ask of [
      (bookingId: number) => get(`/api/bookings/${bookingId}/`, other),
      (bookingId: number) =>
        system.call('POST', `/api/bookings/${bookingId}/cancel/`, { token: other.token }),
      (bookingId: number) => requestIntent(system, other, bookingId),
    ]) {
      const [strange, absent] = await Promise.all([ask(id), ask(999_999)]);
      expectProblem(strange, 'booking_not_found');
      expect({ ...strange.body, instance: '' }).toEqual({ ...absent.body, instance: '' });
    }
    for (const path of [`/api/bookings/${id}/`, '/api/bookings/', '/api/bookings/all/']) {
      expectProblem(await system.call('GET', path), 'unauthenticated');
    }
    expect((await get(`/api/bookings/${id}/`, staff)).status).toBe(200);
    expect((await get(`/api/bookings/${id}`, guest)).status).toBe(200);
  });

  test('AZ-02 the staff list is staff’s alone, whatever the spelling of its address', async () => {
    const refused = await get('/api/bookings/all/', guest);
    expectProblem(refused, 'staff_only');
    expect(refused.body.error).toBe('Permission denied. Admin access required.');
    for (const path of [
      '/api/bookings/ALL/',
      '/api/bookings//all/',
      '/api//bookings/all/',
      '/api/bookings/%61ll/',
      '/api/bookings/all%2f',
      '/api/bookings/all/.',
      '/api/bookings/./all/',
      '/api/bookings/x/%2e%2e/all/',
      '/api/bookings/all;x/',
      '/api/bookings/all/?user=1',
    ]) {
      const answer = await get(path, guest);
      expect([path, answer.status]).toEqual([path, expect.toBeOneOf([403, 404])]);
      expect((await system.call('GET', path)).status).toBeGreaterThanOrEqual(401);
    }
    for (const method of ['HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'PATCH']) {
      const headers = { 'X-HTTP-Method-Override': 'GET' };
      const { status, body } = await system.call(method, '/api/bookings/all/', {
        token: guest.token,
        headers,
      });
      expect([method, status]).toEqual([method, expect.toBeOneOf([403, 404, 405])]);
      expect(body?.bookings).toBeUndefined();
    }
  });

  test('AU-09 who is no longer staff is refused at the next request', async () => {
    const former = await system.newUser({ isStaff: true });
    expect((await get('/api/bookings/all/', former)).status).toBe(200);
    await rows(system.db, 'update users set is_staff = false where id = ?', [former.id]);
    expectProblem(await get('/api/bookings/all/', former), 'staff_only');
    expectProblem(await get(`/api/bookings/${mine[0]}/`, former), 'booking_not_found');
  });

  test('AU-09 a staff token whose session was ended is refused at the next request', async () => {
    const staff = await system.newUser({ isStaff: true });
    const body = { email: staff.email, password: await givePassword(system, staff) };
    const [ended, other] = (await Promise.all(
      [1, 2].map(async () => ({
        ...staff,
        token: (await system.call('POST', '/api/login/', { body })).body.access,
      })),
    )) as [TestUser, TestUser];
    expect((await get('/api/bookings/all/', ended)).status).toBe(200);
    await system.call('POST', '/api/logout/', { token: ended.token });
    expectProblem(await get('/api/bookings/all/', ended), 'invalid_token');
    expectProblem(await get(`/api/bookings/${mine[0]}/`, ended), 'invalid_token');
    expect((await get('/api/bookings/all/', other)).status).toBe(200);
  });
});
