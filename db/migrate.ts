import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import knex from 'knex';
import pg from 'pg';
import { migrationSource } from './migrations/index.ts';
import { schemaDigest } from './schema/index.ts';

/** Any number of migrators may start at once: this advisory lock lets one work while the others wait. */
const migrationLock = 727_274;

export interface MigrateOptions {
  /** The role that the services use, if it is not the owner's: it gets the rights to rows, and no more. */
  appRole?: string;
  log?: (line: string) => void;
}

/**
 * Brings the schema up to date. Safe to run at once from several processes, and again after a crash: each
 * migration is one transaction, and knex's own lock row, which a killed run leaves behind, is freed under ours.
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<void> {
  const { log = () => {}, appRole } = options;
  const lock = new pg.Client({ connectionString: databaseUrl });
  await lock.connect();
  const db = knex({
    client: 'pg',
    connection: { connectionString: databaseUrl, lock_timeout: 5_000 } as never,
    pool: { min: 0, max: 1 },
    migrations: { migrationSource },
  });
  try {
    await takeLock(lock, log);
    await refuseOtherBaseline(lock);
    await db.migrate.forceFreeMigrationsLock();
    const [, names] = await db.migrate.latest();
    log(names.length > 0 ? `Migrated: ${names.join(', ')}` : 'The schema is up to date.');
    if (appRole) await grant(lock, appRole);
  } finally {
    await db.destroy();
    await lock.end();
  }
}

async function takeLock(client: pg.Client, log: (line: string) => void): Promise<void> {
  for (let waited = 0; ; waited++) {
    const { rows } = await client.query('select pg_try_advisory_lock($1) as taken', [migrationLock]);
    if (rows[0].taken) return;
    if (waited === 0) log('Another migration is running; waiting for it.');
    await sleep(200);
  }
}

/** @throws when the database was made by another version of the baseline, which nothing can bring up to date. */
async function refuseOtherBaseline(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select to_regclass('knex_migrations') is not null as migrated, to_regclass('schema_baseline') is not null as known`,
  );
  if (!rows[0].migrated) return;
  const applied = await client.query('select 1 from knex_migrations limit 1');
  if (applied.rows.length === 0) return;
  const digest = rows[0].known
    ? (await client.query('select digest from schema_baseline')).rows[0]?.digest
    : '';
  if (digest !== schemaDigest()) {
    throw new Error(
      'This database was made by another version of the schema, and before 1.0.0 there is no way from one to the next. ' +
        'Delete it and start again: the folder .data (npm start), `docker compose down -v` (containers), or the database itself.',
    );
  }
}

/** Rights of the services' role: rows, never the schema; what is append-only can be read and added to only. */
async function grant(client: pg.Client, role: string): Promise<void> {
  const { rows } = await client.query(
    'select 1 from pg_roles where rolname = $1 and rolname <> current_user',
    [role],
  );
  if (rows.length === 0) return;
  const name = pg.escapeIdentifier(role);
  await client.query(`
    grant usage on schema public to ${name};
    grant select, insert, update, delete on all tables in schema public to ${name};
    grant usage on all sequences in schema public to ${name};
    revoke update, delete on booking_events, staff_events from ${name};
    revoke insert, update, delete on knex_migrations, knex_migrations_lock, schema_baseline from ${name};
  `);
}

async function main(): Promise<void> {
  const url = process.env['MIGRATE_DATABASE_URL'] || process.env['DATABASE_URL'];
  if (!url) throw new Error('Set DATABASE_URL (or MIGRATE_DATABASE_URL, the owner of the schema).');
  const appRole =
    process.env['DATABASE_URL'] && decodeURIComponent(new URL(process.env['DATABASE_URL']).username);
  await migrate(url, { log: (line) => console.log(line), ...(appRole && { appRole }) });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: Error) => {
    console.error(`Migration failed: ${error.message || String(error)}`);
    process.exitCode = 1;
  });
}
