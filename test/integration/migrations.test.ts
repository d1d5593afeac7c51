import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connectDatabase } from '../../db/knex.ts';
import { migrationNames } from '../../db/migrations/index.ts';
import { dumpSchema } from '../../db/schema-dump.ts';
import { projectDir } from '../../dev/project-dir.ts';
import { createTestDatabase } from '../setup/database.ts';
import { until } from '../setup/system.ts';

/** A copy of what the command needs, with one migration more: the real folder must stay as it is. */
function projectWithMigration(sql: string): string {
  const cwd = mkdtempSync(join(tmpdir(), 'booking-migrations-'));
  for (const part of ['commands', 'db', 'domain', 'package.json', 'tsconfig.json']) {
    cpSync(join(projectDir, part), join(cwd, part), { recursive: true });
  }
  symlinkSync(join(projectDir, 'node_modules'), join(cwd, 'node_modules'));
  const list = join(cwd, 'db/migrations/index.ts');
  writeFileSync(list, readFileSync(list, 'utf8').replace(/\n\];/, "\n  '9999-test',\n];"));
  writeFileSync(join(cwd, 'db/migrations/9999-test.sql'), sql);
  return cwd;
}

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
  function startMigrator(
    { ownerUrl, appUrl, cwd = projectDir }: { ownerUrl: string; appUrl: string; cwd?: string },
    ...args: string[]
  ) {
    const child = spawn(process.execPath, ['--import', 'tsx', 'commands/migrate.ts', ...args], {
      cwd,
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

  test('PG-11 a migrator behind a long transaction gives up after its wait, and says who held it', async () => {
    const database = await emptyDatabase();
    const holder = new pg.Client({ connectionString: database.ownerUrl, application_name: 'a-long-job' });
    await holder.connect();
    await holder.query('begin; create table payments ()');
    const { code, output } = await startMigrator(database, '--wait', '2').ended;
    await holder.query('rollback');
    await holder.end();
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/Gave up .*lock timeout.*a-long-job \(pid \d+, role/),
    ]);
    expect(await query(database.ownerUrl, "select to_regclass('rooms') as rooms")).toEqual([{ rooms: null }]);
  }, 60_000);

  test('PG-11 behind a backup it keeps retrying, blocks no reader, and succeeds when the backup has ended', async () => {
    const database = await emptyDatabase();
    expect((await startMigrator(database).ended).code).toBe(0);
    const backup = new pg.Client({ connectionString: database.ownerUrl, application_name: 'pg_dump' });
    await backup.connect();
    await backup.query('begin; lock table rooms in access share mode');
    const cwd = projectWithMigration('alter table rooms add column floor integer;');
    const { child, ended } = startMigrator({ ...database, cwd }, '--wait', '60');
    let said = '';
    child.stdout.on('data', (text: Buffer) => (said += text.toString()));
    await until('the first try', async () => said.includes('Waiting for pg_dump'), 30_000);
    // A reader that comes now queues behind a try, and is let through when that gives up.
    const reader = new pg.Client({ connectionString: database.appUrl });
    await reader.connect();
    await reader.query("set statement_timeout = '1500ms'");
    for (let n = 0; n < 40; n++) {
      await reader.query('select 1 from rooms limit 1');
      await sleep(50);
    }
    await reader.end();
    await backup.query('commit');
    await backup.end();
    const { code, output } = await ended;
    expect([code, output]).toEqual([0, expect.stringContaining('Migrated: 9999-test')]);
    expect(await query(database.appUrl, 'select floor from rooms')).toEqual([]);
    rmSync(cwd, { recursive: true, force: true });
  }, 90_000);

  test('with the role of the services it says which setting to use, and changes nothing', async () => {
    const database = await emptyDatabase();
    const onEmpty = await startMigrator({ ownerUrl: '', appUrl: database.appUrl }).ended;
    const sentence = /The role booking_app may not change the schema.*Set MIGRATE_DATABASE_URL/;
    expect([onEmpty.code, onEmpty.output]).toEqual([1, expect.stringMatching(sentence)]);
    expect((await startMigrator(database).ended).code).toBe(0);
    const onFilled = await startMigrator({ ownerUrl: '', appUrl: database.appUrl }).ended;
    expect([onFilled.code, onFilled.output]).toEqual([1, expect.stringMatching(sentence)]);
    expect(onFilled.output).toContain('belongs to booking_owner');
  }, 60_000);

  test('--help and a word that it does not know change nothing', async () => {
    const database = await emptyDatabase();
    const help = await startMigrator(database, '--help').ended;
    expect([help.code, help.output]).toEqual([0, expect.stringMatching(/^npm run migrate/)]);
    const words = ['--dry-run', 'latest', '--wait=soon', '--wait='];
    const results = await Promise.all(words.map((word) => startMigrator(database, word).ended));
    for (const { code, output } of results) {
      expect([code, output.trim().split('\n')]).toEqual([2, [expect.stringMatching(/Try --help/)]]);
    }
    expect(await query(database.ownerUrl, "select to_regclass('rooms') as rooms")).toEqual([{ rooms: null }]);
  }, 60_000);

  test('a database of another version of the baseline is refused with what to delete, and is left as it is', async () => {
    const database = await emptyDatabase();
    expect((await startMigrator(database).ended).code).toBe(0);
    await query(database.ownerUrl, "update schema_baseline set digest = 'older'");
    const { code, output } = await startMigrator(database).ended;
    expect([code, output]).toEqual([1, expect.stringMatching(/another version of the schema.*Delete it/s)]);
    expect(await applied(database.ownerUrl)).toHaveLength(migrationNames.length);
  }, 60_000);

  test('the schema is the one that db/schema.sql shows', async () => {
    const database = await createTestDatabase();
    const db = connectDatabase(database.ownerUrl, { poolMax: 1, applicationName: 'test-schema' });
    const dump = await dumpSchema(db);
    await db.destroy();
    await database.drop();
    // After a change: npm run schema:dump.
    expect(dump).toBe(readFileSync(join(projectDir, 'db/schema.sql'), 'utf8'));
  });

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
