import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connectDatabase, type Db, rows } from './knex.ts';
import { migrationSource } from './migrations/index.ts';
import { grantRows, storeRoleSettings } from './migrate-role.ts';
import { schemaDigest } from './schema/index.ts';
import { migrationSettings } from './session-settings.ts';

/** Any number of migrators may start at once: this advisory lock lets one work while the others wait. */
const migrationLock = 727_274;
const applicationName = 'booking-migrate';
/** A migration has no time limit of its own; a timer's maximum is 24 days. */
const queryMs = 86_400_000;
/** The time that a backup of a large database may take. */
const waitMsDefault = 300_000;
const pauseMs = 500;
const watchMs = 50;

export interface MigrateOptions {
  /** The address that the services use. If its role is not the owner it is granted access to rows, and nothing else. */
  appUrl?: string | undefined;
  /** How long to retry for a lock that another session holds (default 5 minutes). */
  waitMs?: number | undefined;
  log?: (line: string) => void;
}

/**
 * Brings the schema up to date. Safe to run at once from several processes, and again after a crash: each
 * migration is one transaction, and knex's own lock row, which a killed run leaves behind, is freed under ours. Nothing
 * is assumed of a session, so a pooler may stand between.
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<void> {
  const { log = () => {}, appUrl, waitMs = waitMsDefault } = options;
  const db = connectDatabase(databaseUrl, {
    poolMax: 3,
    applicationName,
    queryMs,
    acquireMs: 10_000,
    settings: migrationSettings,
  });
  try {
    await refuseOtherRole(db);
    // The lock's transaction stays open during the migration, on its own connection.
    await db.transaction(async (lock) => {
      await takeLock(lock, log);
      await refuseOtherBaseline(db);
      const names = await inTries(db, { waitMs, log }, () => runMigrations(db));
      log(names.length > 0 ? `Migrated: ${names.join(', ')}` : 'The schema is up to date.');
      if (appUrl) await inTries(db, { waitMs, log }, () => grantRows(db, appUrl));
    });
    if (appUrl) await storeRoleSettings(db, appUrl, log);
  } finally {
    await db.destroy();
  }
}

async function runMigrations(db: Db): Promise<string[]> {
  const migrator = db.migrate;
  await migrator.forceFreeMigrationsLock({ migrationSource });
  const [, names] = (await migrator.latest({ migrationSource })) as [number, string[]];
  return names;
}

async function takeLock(lock: Db, log: (line: string) => void): Promise<void> {
  for (let waited = 0; ; waited++) {
    const [row] = await rows<{ taken: boolean }>(lock, 'select pg_try_advisory_xact_lock(?) as taken', [
      migrationLock,
    ]);
    if (row?.taken) return;
    if (waited === 0) log('Another migration is running; waiting for it.');
    await sleep(200);
  }
}

/** @throws in one sentence when this role may not change the schema */
async function refuseOtherRole(db: Db): Promise<void> {
  const [found] = await rows<{
    role: string;
    mayCreate: boolean;
    owner: string | null;
    owns: boolean | null;
  }>(
    db,
    `select current_user as role, has_schema_privilege('public', 'create') as "mayCreate",
            pg_get_userbyid(c.relowner) as owner, pg_has_role(c.relowner, 'usage') as owns
       from (select to_regclass('public.knex_migrations') as oid) known left join pg_class c on c.oid = known.oid`,
  );
  if (!found || (found.mayCreate && found.owns !== false)) return;
  const belongs = found.owner ? `, which belongs to ${found.owner}` : '';
  throw new Error(
    `The role ${found.role} may not change the schema${belongs}. Set MIGRATE_DATABASE_URL to the address of the owner's role.`,
  );
}

/** @throws when the database was made by another version of the baseline and so cannot be migrated */
async function refuseOtherBaseline(db: Db): Promise<void> {
  const [found] = await rows<{ migrated: boolean; known: boolean }>(
    db,
    `select to_regclass('knex_migrations') is not null as migrated, to_regclass('schema_baseline') is not null as known`,
  );
  if (!found?.migrated) return;
  if ((await rows(db, 'select 1 from knex_migrations limit 1')).length === 0) return;
  const [baseline] = found.known
    ? await rows<{ digest: string }>(db, 'select digest from schema_baseline')
    : [];
  if (baseline?.digest !== schemaDigest()) {
    throw new Error(
      'This database was made by another version of the schema, and before 1.0.0 there is no way from one to the next. ' +
        'Delete it and start again: the folder .data (npm start), `docker compose down -v` (containers), or the database itself.',
    );
  }
}

const isLockTimeout = (error: unknown) => error instanceof pg.DatabaseError && error.code === '55P03';

/**
 * Retries `work` while another session holds a lock that it needs. Each attempt gives up quickly (migrationSettings),
 * and the sessions that queued behind it go on before the next.
 * @throws once `waitMs` are over; the message names the holder of the lock
 */
async function inTries<T>(
  db: Db,
  { waitMs, log }: { waitMs: number; log: (line: string) => void },
  work: () => Promise<T>,
): Promise<T> {
  const end = performance.now() + waitMs;
  let announced = '';
  for (;;) {
    const watch = watchBlockers(db);
    try {
      return await work();
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      const holders = (await watch.stop()) || announced || 'another session';
      if (performance.now() > end) {
        throw new Error(
          `Gave up after ${Math.round(waitMs / 1000)} s: the lock timeout passed in every try, since ${holders} holds a lock. ` +
            'Nothing was changed. Run it again when that has ended, or with --wait SECONDS.',
          { cause: error },
        );
      }
      if (holders !== announced) log(`Waiting for ${holders}; trying again and again.`);
      announced = holders;
    } finally {
      await watch.stop();
    }
    // Jitter keeps concurrent migrators out of step.
    await sleep(pauseMs * (1 + Math.random()));
  }
}

/** Watches, during an attempt, which sessions block it: afterwards this cannot be found out. */
function watchBlockers(db: Db) {
  let holders = '';
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      await sleep(watchMs);
      const found = await findBlockers(db).catch(() => '');
      if (found) holders = found;
    }
  })();
  return {
    async stop(): Promise<string> {
      stopped = true;
      await watching;
      return holders;
    },
  };
}

async function findBlockers(db: Db): Promise<string> {
  const found = await rows<{
    pid: number;
    application: string | null;
    role: string | null;
    since: string | null;
  }>(
    db,
    `select distinct b.pid, nullif(b.application_name, '') as application, b.usename as role,
            to_char(b.xact_start at time zone 'UTC', 'HH24:MI:SS') as since
       from pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) blocking(pid), pg_stat_activity b
      where w.application_name = ? and w.datname = current_database() and b.pid = blocking.pid
        and b.application_name <> ?`,
    [applicationName, applicationName],
  );
  return found
    .map(({ pid, application, role, since }) => {
      const begun = since ? `, since ${since} UTC` : '';
      return `${application ?? 'a session'} (pid ${pid}, role ${role ?? 'unknown'}${begun})`;
    })
    .join(', ');
}
