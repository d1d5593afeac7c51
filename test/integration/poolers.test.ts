import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connectDatabase, rows } from '../../db/knex.ts';
import { migrate } from '../../db/migrate.ts';
import { sql } from '../../db/sql.ts';
import type { PoolMode } from '../../dev/pgbouncer.ts';
import { newBooking, requestBooking, requestIntent, showBooking } from '../factories.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { startPooler } from '../setup/pooler.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';

type Pooler = Awaited<ReturnType<typeof startPooler>>;
const through = (url: string, { address }: Pooler) => Object.assign(new URL(url), { host: address }).href;

describe.each(['session', 'transaction'] as const)('through a pooler by %s, as it comes', (mode) => {
  let pooler: Pooler;
  let system: System;
  let guest: TestUser;
  const said: string[] = [];
  beforeAll(async () => {
    pooler = await startPooler(mode);
    const logTo = { write: (line: string) => void said.push(line) };
    system = await startSystem({ databaseAddress: pooler.address, logTo });
    guest = await system.newUser();
  });
  afterAll(async () => {
    await system.stop();
    await pooler.stop();
  });

  test('bookings are taken side by side, each slot once', async () => {
    const roomIds: number[] = [];
    for (let n = 0; n < 16; n++) roomIds.push(await system.newRoom());
    const [contested] = roomIds;
    const all = [...roomIds.slice(1), ...Array<undefined>(12).fill(undefined)];
    const answers = await Promise.all(
      all.map((room_id) => requestBooking(system, guest, { room_id: room_id ?? contested })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.slice(0, 15)).toEqual(Array(15).fill(201));
    expect(statuses.slice(15).sort()).toEqual([201, ...Array<number>(11).fill(409)]);
  });

  test('a booking is paid, confirmed and cancelled with its refund', async () => {
    const { id } = await newBooking(system, guest);
    const { body: intent } = await requestIntent(system, guest, id);
    await system.stripe.control.pay(intent.payment_intent_id);
    await until(
      'the confirmation',
      async () => (await showBooking(system, guest, id)).status === 'confirmed',
    );
    const cancelled = await system.call('POST', `/api/bookings/${id}/cancel/`, { token: guest.token });
    expect(cancelled.body.status).toBe('cancelled');
    await until(
      'the refund',
      async () => (await showBooking(system, guest, id)).payment_status === 'refunded',
    );
  });

  test('accounts, lists, the cleanup call and the probes answer', async () => {
    const email = `${randomUUID()}@example.com`;
    const password = 'correct horse battery';
    const account = { email, password, confirm_password: password };
    expect((await system.call('POST', '/api/register/', { body: account })).status).toBe(201);
    expect((await system.call('POST', '/api/login/', { body: { email, password } })).status).toBe(200);
    const staff = await system.newUser({ isStaff: true });
    expect((await system.call('GET', '/api/bookings/all/', { token: staff.token })).status).toBe(200);
    expect((await system.call('GET', '/api/bookings/', { token: guest.token })).status).toBe(200);
    expect((await system.call('POST', '/api/cleanup-expired-bookings/')).status).toBe(200);
    expect((await system.call('GET', '/readyz')).status).toBe(200);
    expect((await system.call('GET', '/metrics')).status).toBe(200);
  });

  test('the log says once that a pooler is there, and which statements are used', () => {
    const sentences = said.filter((line) => line.includes('leads through a pooler'));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toContain('prepared statements are not used');
  });

  test('a pooler that starts again is nothing that lasts', async () => {
    const admin = new pg.Client({ connectionString: inject('postgres').adminUrl });
    await admin.connect();
    const name = new URL(system.database.url).pathname.slice(1);
    await admin.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1 and usename = 'booking_app'`,
      [name],
    );
    await admin.end();
    await until('the recovery', async () => (await requestBooking(system, guest)).status === 201);
  });
});

describe('connections through a pooler', () => {
  const poolers = new Map<PoolMode, Pooler>();
  let database: TestDatabase;
  beforeAll(async () => {
    for (const mode of ['transaction', 'statement'] as const) poolers.set(mode, await startPooler(mode));
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database.drop();
    for (const pooler of poolers.values()) await pooler.stop();
  });
  const poolerOf = (mode: PoolMode) => poolers.get(mode) as Pooler;

  /** A pool, and what it tells the operator. */
  function open(mode: PoolMode, options: { prepared?: boolean; url?: string } = {}) {
    const said: string[] = [];
    const url = through(options.url ?? database.url, poolerOf(mode));
    const say = (sentence: string) => void said.push(sentence);
    return {
      said,
      db: connectDatabase(url, { poolMax: 6, applicationName: 'test-pooler', say, ...options }),
    };
  }

  test('statements that a setting says are kept, and are not, go on unnamed after the first that is lost', async () => {
    const { db, said } = open('transaction', { prepared: true });
    const ask = (n: number) =>
      sql<{ n: number }>(db, 'test_kept', 'select :n::int as n, pg_sleep(0.01)', { n });
    for (let round = 0; round < 10; round++) {
      const found = await Promise.all(Array.from({ length: 6 }, (_, n) => ask(n)));
      expect(found.map(([row]) => row?.n)).toEqual([0, 1, 2, 3, 4, 5]);
    }
    await db.destroy();
    expect(said.filter((sentence) => sentence.includes('DATABASE_PREPARED=false'))).toHaveLength(1);
  });

  test('leave nothing behind in a session that another client gets', async () => {
    // Its own: a server's session stays with the pooler for the next test.
    const own = await createTestDatabase();
    const { db } = open('transaction', { url: own.url });
    await Promise.all(Array.from({ length: 6 }, () => rows(db, 'select pg_sleep(0.05)')));
    await db.destroy();
    const other = new pg.Client({ connectionString: through(own.url, poolerOf('transaction')) });
    await other.connect();
    const left = await other.query('select name from pg_prepared_statements');
    const changed = await other.query(
      `select name, setting from pg_settings where source = 'session' and name not in
         ('client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings', 'application_name')`,
    );
    await other.end();
    await own.drop();
    expect([left.rows, changed.rows]).toEqual([[], []]);
  });

  test('by statement are refused in one sentence, since nothing could be taken in a transaction', async () => {
    const { db, said } = open('statement');
    await expect(rows(db, 'select 1')).rejects.toThrow('the database is not responding');
    await db.destroy();
    expect(said).toContain(
      'The pooler of DATABASE_URL allows no transactions (pool_mode=statement): the service cannot work through it. Use pool_mode=session or transaction.',
    );
  });

  test('migrate an empty database, and again', async () => {
    const admin = new pg.Client({ connectionString: inject('postgres').adminUrl });
    await admin.connect();
    const name = `migrate_${randomUUID().replaceAll('-', '')}`;
    await admin.query(`create database ${name} owner booking_owner`);
    const inIt = (url: string) =>
      through(Object.assign(new URL(url), { pathname: name }).href, poolerOf('transaction'));
    const { ownerUrl, appUrl } = inject('postgres');
    const log: string[] = [];
    const run = () => migrate(inIt(ownerUrl), { appUrl: inIt(appUrl), log: (line) => log.push(line) });
    await Promise.all([run(), run(), run()]);
    await run();
    expect(log.filter((line) => line.startsWith('Migrated:'))).toHaveLength(1);
    expect(log.filter((line) => line.includes('up to date'))).toHaveLength(3);
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  });
});
