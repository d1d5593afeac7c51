import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillWithBookings } from '../setup/many-bookings.ts';
import { type Browser, signInStaff } from '../setup/panel.ts';
import { startSystem, type System } from '../setup/system.ts';
import { timely } from '../security/run.ts';

const size = { bookings: 100_000, users: 20_000, rooms: 50 };
const budgetMs = 100;

const idsIn = (html: string) =>
  [...html.matchAll(/data-title="Booking"[^>]*><a href="\/admin\/bookings\/(\d+)"/g)].map((match) =>
    Number(match[1]),
  );
const linkIn = (html: string, text: string) =>
  new RegExp(`<a href="([^"]+)">${text}</a>`).exec(html)?.[1]?.replaceAll('&amp;', '&');

describe('the lists of the panel with 100,000 bookings', () => {
  let system: System;
  let browser: Browser;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    await fillWithBookings(system.database.ownerUrl, size);
    ({ browser } = await signInStaff(system));
  }, 120_000);
  afterAll(() => system.stop());

  const lists = [
    '/admin/bookings',
    '/admin/bookings?sort=id&order=asc',
    '/admin/bookings?sort=date&order=desc',
    '/admin/bookings?sort=date&order=asc&status=confirmed',
    '/admin/bookings?status=expired&payment=pending&sort=date&order=asc',
    '/admin/bookings?payment=failed',
    '/admin/bookings?payment=refunded',
    '/admin/bookings?room=7&status=cancelled',
    '/admin/bookings?from=2020-01-01&to=2020-02-01',
    '/admin/bookings?q=guest1',
    '/admin/bookings?q=guest19999',
    '/admin/bookings?q=nobody',
    '/admin/bookings?q=guest1&status=pending&sort=date&order=desc',
    '/admin/bookings?q=55555',
    '/admin/bookings?q=pi_777',
    '/admin/payments',
    '/admin/payments?sort=booking&order=desc',
    '/admin/payments?status=succeeded&refund=none',
    '/admin/payments?status=processing',
    '/admin/payments?refund=failed',
    '/admin/payments?q=guest1',
    '/admin/payments?q=nobody',
    '/admin/users',
    '/admin/users?q=guest12&sort=email&order=desc',
    '/admin/users?role=staff',
    '/admin/users?state=inactive',
    '/admin/rooms',
    '/admin/rooms?q=oom%204&sort=price&order=desc',
    '/admin/flags?state=open',
    '/admin/bookings/55555',
    '/admin/users/55',
  ];

  test.each(lists)('%s answers in under 100 ms', async (path) => {
    const tookMs: number[] = [];
    for (let round = 0; round < 7; round++) {
      const begun = performance.now();
      const { status } = await browser.get(path);
      tookMs.push(performance.now() - begun);
      expect(status).toBe(200);
    }
    // The best of several: the other tests of this machine are no business of the list.
    const bestMs = Math.min(...tookMs);
    console.log(`${path}: best ${bestMs.toFixed(0)} ms, worst ${Math.max(...tookMs).toFixed(0)} ms`);
    expect(bestMs).toBeLessThan(timely(budgetMs));
  });

  test.each(['/admin', '/admin/day?hours=all'])(
    '%s, which is no list, answers in under a second',
    async (path) => {
      await browser.get(path);
      const begun = performance.now();
      expect((await browser.get(path)).status).toBe(200);
      expect(performance.now() - begun).toBeLessThan(timely(1_000));
    },
  );

  test('where there are too many rooms to choose from, bookings are found by how the room’s name begins', async () => {
    const more = `select 'Hall ' || n, 1000, 'usd', 10, '00:00', '24:00', 'UTC' from generate_series(1, 500) n`;
    await system.db.raw(
      `insert into rooms (name, price_minor, currency, capacity, opening_time, closing_time, time_zone) ${more}`,
    );
    const { text } = await browser.get(
      '/admin/bookings?room_name=room%207&status=cancelled&sort=id&order=desc',
    );
    const expected = await system
      .db('bookings')
      .where({ room_id: 7, status: 'cancelled' })
      .orderBy('id', 'desc')
      .limit(50);
    expect(idsIn(text)).toEqual(expected.map(({ id }) => id));
    expect(text).toContain('name="room_name"');
    expect(text).not.toContain('<option value="7"');
    // A link to the bookings of one room goes on working.
    expect((await browser.get('/admin/bookings?room=7')).status).toBe(200);
    await system.db('rooms').where('name', 'like', 'Hall %').delete();
  });

  test('a deep page costs what the first costs', async () => {
    const position = Buffer.from(JSON.stringify(['50', 50])).toString('base64url');
    const begun = performance.now();
    const { text } = await browser.get(`/admin/bookings?sort=id&order=desc&after=${position}`);
    expect(performance.now() - begun).toBeLessThan(timely(budgetMs * 3));
    expect(idsIn(text)).toEqual(Array.from({ length: 49 }, (_, place) => 49 - place));
  });

  test('next and previous meet no row twice and leave none out, also where the sort has ties', async () => {
    const first = await browser.get('/admin/bookings?sort=date&order=desc&room=7&status=cancelled');
    const expected = await system
      .db('bookings')
      .where({ room_id: 7, status: 'cancelled' })
      .orderBy([
        { column: 'booking_date', order: 'desc' },
        { column: 'id', order: 'desc' },
      ])
      .limit(150);
    const pages = [first.text];
    for (let page = 1; page < 3; page++) {
      const next = linkIn(pages.at(-1) as string, 'Next →') as string;
      pages.push((await browser.get(next)).text);
    }
    expect(pages.flatMap(idsIn)).toEqual(expected.map(({ id }) => id));
    const back = linkIn(pages[2] as string, '← Previous') as string;
    expect(idsIn((await browser.get(back)).text)).toEqual(idsIn(pages[1] as string));
  });

  test('HT-15 a sort, filter or cursor that the list does not have is refused, whatever is in it', async () => {
    const evil = [
      'id;drop table users',
      "id' or 1=1--",
      'b.amount_minor',
      'constructor',
      '__proto__',
      '(select 1)',
    ];
    for (const value of evil.map(encodeURIComponent)) {
      for (const name of [
        'sort',
        'order',
        'status',
        'payment',
        'room',
        'from',
        'to',
        'user',
        'after',
        'before',
      ]) {
        const { status } = await browser.get(`/admin/bookings?${name}=${value}`);
        expect(status, `${name}=${value}`).toBe(400);
      }
      expect((await browser.get(`/admin/bookings?q=${value}`)).status).toBe(200);
    }
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const value of [['x', 1], ['1', 0], ['1', 2 ** 40], [1, 1], {}, ["1' or '1'='1", 1]]) {
      expect((await browser.get(`/admin/bookings?after=${forged(value)}`)).status).toBe(400);
    }
    expect((await browser.get('/admin/bookings?q=%00')).status).toBe(400);
    expect(Number((await system.db('users').count('* as n').first())?.n)).toBeGreaterThan(size.users);
  });

  test('a search for signs that LIKE knows finds them as signs', async () => {
    for (const sign of ['%', '_', 'guest1%25', 'g_est1']) {
      expect((await browser.get(`/admin/users?q=${sign}`)).text).toContain('No results.');
    }
  });

  test('the whole list is exported, streamed, and no cell of it is a formula', async () => {
    const [user] = await system
      .db('users')
      .insert({ email: '=cmd|calc@example.com', password_hash: '-' })
      .returning('id');
    await system.db('bookings').where({ id: 100_000 }).update({ user_id: user.id, special_requests: 'x' });
    const { status, headers, text } = await browser.get('/admin/bookings.csv');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toMatch(
      /^attachment; filename="bookings-\d{4}-\d\d-\d\d\.csv"$/,
    );
    const lines = text.trimEnd().split('\r\n');
    expect(lines).toHaveLength(size.bookings + 1);
    expect(lines[0]).toContain('booking_id,ref,date,start,end,time_zone,room,customer');
    expect(new Set(lines.slice(1).map((line) => line.split(',')[0])).size).toBe(size.bookings);
    expect(lines.find((line) => line.startsWith('100000,'))).toContain(`,'=cmd|calc@example.com,`);
    for (const list of ['payments?q=guest12', 'users?q=guest12', 'rooms', 'flags']) {
      const [name, query = ''] = list.split('?');
      expect((await browser.get(`/admin/${name}.csv?${query}`)).status).toBe(200);
    }
    const some = await browser.get('/admin/bookings.csv?room=7&status=cancelled&sort=date&order=asc');
    const n = (await system.db('bookings').where({ room_id: 7, status: 'cancelled' })).length;
    expect(some.text.trimEnd().split('\r\n')).toHaveLength(n + 1);
  }, 120_000);
});
