import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../db/migrate.ts';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { type PoolMode, poolModes, startPgBouncer } from '../../dev/pgbouncer.ts';
import { createProcesses } from '../../dev/processes.ts';
import { startTemporal } from '../../dev/temporal.ts';
import { bundleWorkflows } from '../../worker/bundle.ts';

/** The database that every test's own is a copy of: migrated once, never connected to afterwards. */
const TEMPLATE = 'booking_template';

const log = (line: string) => console.log(line);

/**
 * Before the integration tests: one Postgres and one Temporal server of our own, on free ports, in a temporary
 * directory. Both end with the run, however it ends; their data is thrown away, so nothing waits for the disk.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'booking-test-'));
  chmodSync(dir, 0o755); // Postgres may run as another user.
  const processes = createProcesses({ dir, announce: log, restart: false, removeDirWhenOrphaned: true });
  const teardown = async () => {
    await processes.stopAll();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
    const workflowBundle = join(dir, 'workflows.js');
    const [postgres, temporal] = await Promise.all([
      startPostgres({ dataDir: dir, port: 0, log, processes, settings }).then(async (server) => {
        await makeTemplate(server);
        return server;
      }),
      startTemporal({
        dataDir: dir,
        port: 0,
        uiPort: undefined,
        log,
        processes,
        stopSteps: [{ signal: 'SIGKILL', waitMs: 5_000 }],
      }),
      bundleWorkflows().then((code) => writeFileSync(workflowBundle, code)),
    ]);
    project.provide('workflowBundle', workflowBundle);
    const appUrl = new URL(postgres.settings.DATABASE_URL);
    const mode = poolerOfRun();
    if (mode) {
      const passwords = { [appUrl.username]: appUrl.password };
      const pooler = { name: 'pgbouncer', dir, mode, server: appUrl.host, passwords, processes, log };
      appUrl.host = (await startPgBouncer(pooler)).address;
    }
    project.provide('postgres', {
      adminUrl: postgres.adminUrl,
      ownerUrl: postgres.settings.MIGRATE_DATABASE_URL,
      appUrl: appUrl.href,
      template: TEMPLATE,
      log: join(dir, 'logs', 'postgres.log'),
    });
    project.provide('temporal', {
      address: temporal.settings.TEMPORAL_ADDRESS,
      namespace: temporal.settings.TEMPORAL_NAMESPACE,
    });
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

/** `TEST_POOLER`: the whole run reaches Postgres through a PgBouncer of that mode, as the service's role. */
function poolerOfRun(): PoolMode | undefined {
  const mode = process.env['TEST_POOLER'];
  if (!mode) return undefined;
  const known = poolModes.find((one) => one === mode);
  if (!known) throw new Error(`TEST_POOLER is "${mode}": it must be one of ${poolModes.join(', ')}.`);
  return known;
}

async function makeTemplate({ adminUrl, settings }: PostgresServer): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${TEMPLATE} OWNER booking_owner`);
    const inTemplate = (url: string) => Object.assign(new URL(url), { pathname: TEMPLATE }).href;
    await migrate(inTemplate(settings.MIGRATE_DATABASE_URL), { appUrl: inTemplate(settings.DATABASE_URL) });
    // A database that somebody is connected to cannot be copied.
    await admin.query(`ALTER DATABASE ${TEMPLATE} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  } finally {
    await admin.end();
  }
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Addresses of the run's Postgres: the superuser's, the schema owner's and the service's role. */
    postgres: { adminUrl: string; ownerUrl: string; appUrl: string; template: string; log: string };
    /** The run's Temporal dev server, shared by all test files: take a task queue of your own. */
    temporal: { address: string; namespace: string };
    /** The workflows, bundled once for all test files. */
    workflowBundle: string;
  }
}
