import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { migrationNames } from '../../db/migrations/index.ts';
import { until } from '../setup/system.ts';

const project = new URL('../..', import.meta.url);

describe('migrations', () => {
  const made: string[] = [];
  let admin: pg.Client;
  beforeAll(async () => {
    admin = new pg.Client({ connectionString: inject('postgres').adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    for (const name of made) await admin.query(`drop database if exists ${name} with (force)`);
    await admin.end();
  });

  /** An empty database of the owner's. */
  async function emptyDatabase(): Promise<{ ownerUrl: string; appUrl: string }> {
    const name = `migrate_${randomBytes(6).toString('hex')}`;
    await admin.query(`create database ${name} owner booking_owner`);
    made.push(name);
    const inIt = (text: string) => Object.assign(new URL(text), { pathname: name }).href;
    return { ownerUrl: inIt(inject('postgres').ownerUrl), appUrl: inIt(inject('postgres').appUrl) };
  }

  /** `npm run migrate`, as a process of its own. */
  function startMigrator({ ownerUrl, appUrl }: { ownerUrl: string; appUrl: string }) {
    const child = spawn(process.execPath, ['--import', 'tsx', 'db/migrate.ts'], {
      cwd: project,
      env: { ...process.env, DATABASE_URL: appUrl, MIGRATE_DATABASE_URL: ownerUrl },
    });
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    const ended = new Promise<{ code: number | null; output: string }>((resolve) =>
      child.on('close', (code) => resolve({ code, output })),
    );
    return { child, ended };
  }

  async function query<Row>(url: string, sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end();
    }
  }
  const applied = (url: string) =>
    query<{ name: string }>(url, 'select name from knex_migrations order by id');

  test('PG-10 of five migrators started at once one works, the others wait, and all succeed', async () => {
    const database = await emptyDatabase();
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => startMigrator(database).ended));
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    const worked = results.filter(({ output }) => output.includes('Migrated:'));
    expect(worked).toHaveLength(1);
    expect(results.filter(({ output }) => output.includes('up to date'))).toHaveLength(4);
    expect(await applied(database.ownerUrl)).toEqual(migrationNames.map((name) => ({ name })));
    expect(await query(database.appUrl, 'select id from rooms')).toEqual([]);
  }, 60_000);

  test('PG-10 after a migrator is killed in the middle the next one succeeds, without help', async () => {
    const database = await emptyDatabase();
    // The owner's event trigger would need a superuser, so a lock holds the migrator in the middle: it is past its
    // bookkeeping and inside its transaction when it wants to create a table of a name that is not decided yet.
    const holder = new pg.Client({ connectionString: database.ownerUrl });
    await holder.connect();
    await holder.query('begin; create table payments ()');
    const { child, ended } = startMigrator(database);
    await until(
      'the migrator in the middle',
      async () =>
        (
          await query(
            database.ownerUrl,
            `select 1 from pg_locks l join pg_stat_activity a using (pid)
              where not l.granted and a.datname = current_database()`,
          )
        ).length > 0,
      20_000,
    );
    child.kill('SIGKILL');
    await ended;
    await holder.query('rollback');
    // What a killed run of knex without transactions leaves behind.
    await holder.query('update knex_migrations_lock set is_locked = 1');
    await holder.end();
    const { code, output } = await startMigrator(database).ended;
    expect([code, output]).toEqual([0, expect.stringContaining('Migrated: 0001')]);
    expect(await applied(database.ownerUrl)).toHaveLength(migrationNames.length);
    expect(await query(database.ownerUrl, 'select is_locked from knex_migrations_lock')).toEqual([
      { is_locked: 0 },
    ]);
  }, 60_000);

  test('PG-11 a migrator does not queue behind a long transaction for ever: traffic would queue behind it', async () => {
    const database = await emptyDatabase();
    const holder = new pg.Client({ connectionString: database.ownerUrl });
    await holder.connect();
    await holder.query('begin; create table payments ()');
    const { code, output } = await startMigrator(database).ended;
    await holder.query('rollback');
    await holder.end();
    expect([code, output]).toEqual([1, expect.stringContaining('lock timeout')]);
  }, 60_000);

  test('a database of another version of the baseline is refused with what to delete, and is left as it is', async () => {
    const database = await emptyDatabase();
    expect((await startMigrator(database).ended).code).toBe(0);
    await query(database.ownerUrl, "update schema_baseline set digest = 'older'");
    const { code, output } = await startMigrator(database).ended;
    expect([code, output]).toEqual([1, expect.stringMatching(/another version of the schema.*Delete it/s)]);
    expect(await applied(database.ownerUrl)).toHaveLength(migrationNames.length);
  }, 60_000);

  test('OP-05 the role of the services may work with rows, and nothing else', async () => {
    const database = await emptyDatabase();
    expect((await startMigrator(database).ended).code).toBe(0);
    for (const sql of [
      'create table mine ()',
      'alter table rooms add column x text',
      'drop table rooms',
      'truncate rooms',
      'update booking_events set cause = $$x$$',
      'delete from knex_migrations',
      'alter table bookings disable trigger all',
    ]) {
      await expect(query(database.appUrl, sql), sql).rejects.toMatchObject({ code: '42501' });
    }
    const roles = await query(
      database.ownerUrl,
      `select 1 from pg_roles where rolname like 'booking_%' and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)`,
    );
    expect(roles).toEqual([]);
  }, 60_000);
});
