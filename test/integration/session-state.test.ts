import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { asOwner, expectProblem, newBooking, requestBooking, requestIntent } from '../factories.ts';
import type { openBrowser } from '../setup/panel.ts';
import { signInStaff } from '../setup/panel.ts';
import { startPooler } from '../setup/pooler.ts';
import { type Answer, dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';

/** Speaks to the run's Postgres as its superuser. */
async function asAdmin(...statements: string[]): Promise<void> {
  const admin = new pg.Client({ connectionString: inject('postgres').adminUrl });
  await admin.connect();
  try {
    for (const statement of statements) await admin.query(statement);
  } finally {
    await admin.end();
  }
}

const databaseOf = ({ database }: System) => new URL(database.url).pathname.slice(1);
const inDatabase = (system: System) => `role booking_app in database ${databaseOf(system)}`;
/** The service's connections end, and new ones begin with what was set meanwhile. */
const reconnect = (system: System) =>
  asAdmin(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = '${databaseOf(system)}' and usename = 'booking_app'`,
  );
const recovered = (system: System) =>
  until('the recovery', async () => (await system.call('GET', '/api/rooms/')).status === 200);

/** What a role may be set to, for whatever reason. */
const strangeSettings = {
  datestyle: "'German, DMY'",
  timezone: "'Asia/Tokyo'",
  intervalstyle: "'sql_standard'",
  bytea_output: "'escape'",
  extra_float_digits: '-15',
  standard_conforming_strings: 'off',
  search_path: "'nowhere'",
  default_transaction_isolation: "'serializable'",
  default_transaction_read_only: 'on',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  array_nulls: 'off',
  transform_null_equals: 'on',
  client_encoding: "'LATIN1'",
};

describe.each(['direct', 'session', 'transaction'] as const)('a role with settings of its own, %s', (way) => {
  let system: System;
  let pooler: Awaited<ReturnType<typeof startPooler>> | undefined;
  let guest: TestUser;
  let roomId: number;
  let browser: ReturnType<typeof openBrowser>;
  beforeAll(async () => {
    if (way !== 'direct') pooler = await startPooler(way);
    const { host } = new URL(inject('postgres').adminUrl);
    system = await startSystem({ databaseAddress: pooler?.address ?? host });
    guest = await system.newUser();
    roomId = await system.newRoom({ name: `Zürich ${way}` });
    ({ browser } = await signInStaff(system));
  });
  afterAll(async () => {
    await system.stop();
    await pooler?.stop();
  });

  /** Everything that shows dates, times and amounts, without what moves by itself. */
  async function look(bookingId: number) {
    const { token } = guest;
    const paths = [
      '/api/rooms/',
      `/api/rooms/${roomId}/availability/?date=${dayAhead(7)}`,
      '/api/bookings/',
      `/api/bookings/${bookingId}/`,
    ];
    const answers: Answer[] = [];
    for (const path of paths) answers.push(await system.call('GET', path, { token }));
    const pages = [
      await browser.get(`/admin/day?date=${dayAhead(7)}`),
      await browser.get(`/admin/bookings/${bookingId}`),
    ];
    const still = (_: string, value: unknown) =>
      typeof value === 'number' && !Number.isInteger(value) ? 0 : value;
    return {
      answers: answers.map(({ status, body }) => [
        status,
        JSON.stringify({ ...body, hold_seconds_left: undefined }, still).replaceAll(
          /"hold_seconds_left":\d+/g,
          '',
        ),
      ]),
      pages: pages.map(({ status, text }) => [status, text.match(/\d{4}-\d\d-\d\d[^<]*|\d\d:\d\d[^<]*/g)]),
    };
  }

  test('PG-09 a database that only reads is not ready, answers writes with 503, and recovers by itself', async () => {
    const database = databaseOf(system);
    await asAdmin(`alter database ${database} set default_transaction_read_only = on`);
    await reconnect(system);
    const ready = () => system.call('GET', '/readyz');
    await until('not ready', async () => (await ready()).status === 503);
    const answer = await ready();
    expectProblem(answer, 'database_unavailable');
    expect(answer.headers.get('Retry-After')).toBe('1');
    const refused = await requestBooking(system, guest, {
      room_id: roomId,
      start_time: '14:00',
      end_time: '15:00',
    });
    expectProblem(refused, 'database_unavailable');
    expect(refused.headers.get('Retry-After')).toBe('1');
    // Reads still work.
    expect((await system.call('GET', '/api/rooms/')).status).toBe(200);

    await asAdmin(`alter database ${database} reset default_transaction_read_only`);
    // A pooler's own connections to the server live on: the old primary's would have ended.
    if (way !== 'direct') await reconnect(system);
    await until('ready', async () => (await ready()).status === 200);
    const taken = await requestBooking(system, guest, {
      room_id: roomId,
      start_time: '14:00',
      end_time: '15:00',
    });
    expect(taken.status).toBe(201);
  });

  test('gives the same results as without them', async () => {
    const booking = await newBooking(system, guest, {
      room_id: roomId,
      special_requests: 'Für zwölf – 会議',
    });
    const before = await look(booking.id);
    expect(before.answers.map(([status]) => status)).toEqual([200, 200, 200, 200]);
    await asAdmin(
      ...Object.entries(strangeSettings).map(
        ([name, value]) => `alter ${inDatabase(system)} set ${name} = ${value}`,
      ),
    );
    await reconnect(system);
    await recovered(system);
    expect(await look(booking.id)).toEqual(before);

    const again = await newBooking(system, guest, {
      room_id: roomId,
      start_time: '11:00',
      end_time: '12:00',
    });
    expect(again).toMatchObject({ start_time: '11:00:00', end_time: '12:00:00', booking_date: dayAhead(7) });
    const held = new Date(again.hold_expires_at).getTime() - Date.now();
    expect(held / 60_000).toBeGreaterThan(29);
    expect((await requestIntent(system, guest, again.id)).status).toBe(201);
    const cancelled = await system.call('POST', `/api/bookings/${again.id}/cancel/`, { token: guest.token });
    expect(cancelled.body.status).toBe('cancelled');
    expect((await system.call('GET', '/readyz')).status).toBe(200);
  });

  test('PG-07 still limits statements, locks and idle transactions', async () => {
    const shown = await system.db.transaction(async (trx) => {
      const found: Record<string, string> = {};
      for (const name of [
        'statement_timeout',
        'lock_timeout',
        'idle_in_transaction_session_timeout',
        'datestyle',
      ]) {
        Object.assign(found, (await rows<Record<string, string>>(trx, `show ${name}`))[0]);
      }
      return found;
    });
    expect(shown).toMatchObject({
      statement_timeout: '2s',
      lock_timeout: '1500ms',
      idle_in_transaction_session_timeout: '10s',
    });
    expect(Object.values(shown).join()).toContain('ISO');
    await asOwner(system, async (owner) => {
      await owner.query('begin; lock table bookings');
      expectProblem(await requestBooking(system, guest), 'database_unavailable');
      await owner.query('rollback');
    });
  });

  test('PG-09 goes on after the type of a column has changed', async () => {
    await Promise.all(Array.from({ length: 12 }, () => newBooking(system, guest)));
    await asOwner(system, (owner) => owner.query('alter table rooms alter column name type varchar(200)'));
    await asOwner(system, (owner) =>
      owner.query('alter table bookings alter column special_requests type varchar(3000)'),
    );
    const ids = await Promise.all(Array.from({ length: 12 }, () => newBooking(system, guest)));
    for (const { id } of ids) {
      expect((await system.call('GET', `/api/bookings/${id}/`, { token: guest.token })).status).toBe(200);
      expect((await requestIntent(system, guest, id)).status).toBe(201);
    }
    expect((await browser.get('/admin/')).status).toBe(200);
    await asOwner(system, (owner) =>
      owner.query('alter table bookings alter column special_requests type text'),
    );
    await asOwner(system, (owner) => owner.query('alter table rooms alter column name type text'));
    expect((await requestBooking(system, guest)).status).toBe(201);
  });
});
