import { join } from 'node:path';
import { findFreePort } from './ports.ts';
import { findPostgresBinaries, type PostgresBinaries } from './postgres/binaries.ts';
import { makeCluster, readMajor, readPasswords } from './postgres/cluster.ts';
import { choosePostgresHome, handOver, identityFor, type PostgresHome } from './postgres/home.ts';
import { endEarlierServer, postgresStopSteps, waitUntilReady } from './postgres/postmaster.ts';
import { ensureRolesAndDatabase, superuser } from './postgres/roles.ts';
import type { Processes, RunningProcess } from './processes.ts';

const portTriesMax = 3;

export interface PostgresServer {
  settings: { DATABASE_URL: string; MIGRATE_DATABASE_URL: string };
  /** Of the superuser, to the database `postgres`: for the tests, which create databases. */
  adminUrl: string;
  /** Name and origin, such as "PostgreSQL 15" and the folder of its binaries. */
  description: string;
  pid: () => number | undefined;
  stop: () => Promise<void>;
}

/**
 * Starts the Postgres of a data directory as a process of its own, on 127.0.0.1 and by password only.
 *
 * The first start makes the cluster, the database `booking` and two roles: `booking_owner`, who owns it and migrates
 * it (MIGRATE_DATABASE_URL), and `booking_app`, who may only do what the migrations grant (DATABASE_URL). A later
 * start finds its data; a server that an earlier run left there is stopped first.
 *
 * @param options.dataDir  the cluster goes to its folder `postgres`
 * @param options.port     0 takes a free one
 * @param options.settings server settings for this start (`{ fsync: 'off' }` in tests)
 * @param options.env      additional environment variables of the server
 * @throws SetupProblem in one line when there is no Postgres, or it does not start
 */
export async function startPostgres(options: {
  dataDir: string;
  port: number;
  log: (line: string) => void;
  processes: Processes;
  settings?: Record<string, string>;
  env?: NodeJS.ProcessEnv;
}): Promise<PostgresServer> {
  const { processes, log, settings = {}, env = {} } = options;
  const home = await choosePostgresHome(options.dataDir, log);
  const clusterDir = join(home.dir, 'data');
  const dataMajor = readMajor(clusterDir);
  const binaries = await findPostgresBinaries(home, dataMajor, log);
  const passwords = readPasswords(home, dataMajor !== undefined);
  if (dataMajor === undefined)
    await makeCluster(home, clusterDir, binaries, passwords, settings.fsync !== 'off');
  else if (home.user) handOver(clusterDir, home.user);

  const { port, server } = await startServer({
    home,
    clusterDir,
    binaries,
    settings,
    env,
    port: options.port,
    processes,
  });
  const urlOf = (role: string, password: string, database: string) =>
    `postgres://${role}:${password}@127.0.0.1:${port}/${database}`;
  const adminUrl = urlOf(superuser, passwords.superuser, 'postgres');
  await ensureRolesAndDatabase(adminUrl, passwords);
  return {
    settings: {
      DATABASE_URL: urlOf('booking_app', passwords.app, 'booking'),
      MIGRATE_DATABASE_URL: urlOf('booking_owner', passwords.owner, 'booking'),
    },
    adminUrl,
    description: `PostgreSQL ${binaries.major} (${binaries.binDir})`,
    pid: server.pid,
    stop: server.stop,
  };
}

async function startServer(options: {
  home: PostgresHome;
  clusterDir: string;
  binaries: PostgresBinaries;
  settings: Record<string, string>;
  env: NodeJS.ProcessEnv;
  port: number;
  processes: Processes;
}): Promise<{ port: number; server: RunningProcess }> {
  const { home, clusterDir, binaries, processes } = options;
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    // No socket files: nothing stale in /tmp, no limit on the length of DATA_DIR.
    unix_socket_directories: '',
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...options.settings,
  };
  for (let tries = 1; ; tries++) {
    const port = options.port || (await findFreePort());
    const args = ['-D', clusterDir, '-p', String(port)];
    for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
    try {
      const server = await processes.start({
        name: 'postgres',
        command: join(binaries.binDir, 'postgres'),
        args,
        cwd: clusterDir,
        env: { ...process.env, ...options.env },
        ...identityFor(home),
        stopSteps: postgresStopSteps,
        forceSignal: 'SIGQUIT',
        prepare: () => endEarlierServer(clusterDir),
        ready: ({ pid }, starting) => waitUntilReady(clusterDir, pid, starting),
      });
      return { port, server };
    } catch (error) {
      // Another process may have taken the free port meanwhile.
      if (options.port !== 0 || tries === portTriesMax) throw error;
    }
  }
}
