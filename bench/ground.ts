import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../db/migrate.ts';
import { startPostgres } from '../dev/postgres.ts';
import { createProcesses, type ProcessSpec } from '../dev/processes.ts';
import { PROJECT_DIR } from '../dev/project-dir.ts';
import { bundleWorkflows } from '../worker/bundle.ts';
import { seedTemplate } from './seed.ts';

const template = 'bench_template';

/**
 * What all figures stand on: a temporary directory, one Postgres that waits for its disk as in production, a
 * migrated database to copy, and the bundled workflows. All of it is gone after `stop`, or when the bench dies.
 */
export async function startGround(log: (line: string) => void) {
  const dir = mkdtempSync(join(tmpdir(), 'booking-bench-'));
  chmodSync(dir, 0o755); // Postgres may run as another user.
  const processes = createProcesses({ dir, announce: log, restart: false, removeDirWhenOrphaned: true });
  const stop = async () => {
    await processes.stopAll();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const workflowBundle = join(dir, 'workflows.js');
    const settings = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };
    const [postgres] = await Promise.all([
      startPostgres({ dataDir: dir, port: 0, log, processes, settings }),
      bundleWorkflows().then((code) => writeFileSync(workflowBundle, code)),
    ]);
    const ownerUrlOf = (name: string) => inDatabase(postgres.settings.MIGRATE_DATABASE_URL, name);
    await query(postgres.adminUrl, `CREATE DATABASE ${template} OWNER booking_owner`);
    await migrate(ownerUrlOf(template), { appRole: 'booking_app' });
    const owner = await connect(ownerUrlOf(template));
    await seedTemplate(owner);
    await owner.end();
    let databases = 0;
    return {
      dir,
      log,
      processes,
      workflowBundle,
      postgresPid: postgres.pid,
      postgresName: postgres.description.replace(/ \(.*/, ''),
      /** A database of one's own, with the rooms and users in it. */
      async newDatabase() {
        const name = `bench_${++databases}`;
        await query(postgres.adminUrl, `CREATE DATABASE ${name} TEMPLATE ${template} OWNER booking_owner`);
        return {
          url: inDatabase(postgres.settings.DATABASE_URL, name),
          ownerUrl: ownerUrlOf(name),
          superuserUrl: inDatabase(postgres.adminUrl, name),
          drop: () => query(postgres.adminUrl, `DROP DATABASE ${name} WITH (FORCE)`),
        };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export type Ground = Awaited<ReturnType<typeof startGround>>;

/** A script of the project as a process that ends when we do. It sees no settings but these. */
export function nodeProcess(
  name: string,
  script: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
  preloads: readonly string[] = [],
): ProcessSpec {
  const { PATH, HOME, TMPDIR } = process.env;
  // For profiles: `BENCH_NODE_ARGS=--cpu-prof` reaches the API and the worker.
  const extra = process.env['BENCH_NODE_ARGS']?.split(' ').filter(Boolean) ?? [];
  const imports = ['./dev/die-with-parent.mjs', ...preloads, 'tsx'];
  return {
    name,
    command: process.execPath,
    args: [...extra, ...imports.flatMap((module) => ['--import', module]), script, ...args],
    cwd: PROJECT_DIR,
    env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...env },
  };
}

export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

function inDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = name;
  return url.href;
}

async function query(url: string, sql: string): Promise<void> {
  const client = await connect(url);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
