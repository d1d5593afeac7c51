import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort, listens } from './ports.ts';
import type { Processes, RunningProcess } from './processes.ts';
import { findOnPath, isExecutable, lastLine, runTool } from './run-tool.ts';
import { SetupProblem } from './setup-problem.ts';

export const poolModes = ['session', 'transaction', 'statement'] as const;
export type PoolMode = (typeof poolModes)[number];

const installMs = 300_000;
const pollMs = 20;

/**
 * Finds PgBouncer on this machine, or installs Debian's package where we may.
 * @throws SetupProblem in one line
 */
async function findPgBouncer(log: (line: string) => void): Promise<string> {
  const find = () =>
    findOnPath('pgbouncer') ?? ['/usr/sbin/pgbouncer', '/opt/homebrew/bin/pgbouncer'].find(isExecutable);
  const found = find();
  if (found) return found;
  const advice = 'No PgBouncer on this machine: install it (Debian: apt-get install pgbouncer).';
  if (process.getuid?.() !== 0 || !findOnPath('apt-get')) throw new SetupProblem(advice);
  log("PgBouncer is missing; installing Debian's …");
  const apt = (...args: string[]) => runTool('apt-get', ['-qq', ...args], { timeoutMs: installMs });
  await apt('update');
  const installed = await apt('install', '-y', '--no-install-recommends', 'pgbouncer');
  const now = find();
  if (!now) throw new SetupProblem(`${advice} ${lastLine(installed.stderr)}`);
  return now;
}

/**
 * Starts a PgBouncer with stock settings, except for addresses and mode, in front of a Postgres, for the tests.
 * @param options.server `host:port` of the Postgres
 * @param options.passwords passwords of the roles that may connect
 */
export async function startPgBouncer(options: {
  name: string;
  dir: string;
  mode: PoolMode;
  server: string;
  passwords: Record<string, string>;
  processes: Processes;
  log: (line: string) => void;
}): Promise<{ address: string; stop: RunningProcess['stop'] }> {
  const { name, dir, mode, server, passwords, processes, log } = options;
  const command = await findPgBouncer(log);
  const [host, port] = server.split(/:(?=\d+$)/);
  const listenPort = await findFreePort();
  const users = join(dir, `${name}.users`);
  const config = join(dir, `${name}.ini`);
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  // Readable for `nobody`: folder and passwords exist for one test run only.
  writeFileSync(
    users,
    Object.entries(passwords)
      .map(([role, password]) => `${quoted(role)} ${quoted(password)}\n`)
      .join(''),
    { mode: 0o644 },
  );
  writeFileSync(
    config,
    `[databases]
* = host=${host} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = md5
auth_file = ${users}
pool_mode = ${mode}
max_client_conn = 1000
`,
    { mode: 0o644 },
  );
  // PgBouncer refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const running = await processes.start({
    name,
    command,
    args: [...asUser, config],
    // Up to version 1.22 SIGTERM ends it at once; later versions wait for their clients.
    stopSteps: [
      { signal: 'SIGTERM', waitMs: 2_000 },
      { signal: 'SIGKILL', waitMs: 5_000 },
    ],
    ready: async (_process, starting) => {
      while (!starting.aborted && !(await listens('127.0.0.1', listenPort))) await sleep(pollMs);
    },
  });
  return { address: `127.0.0.1:${listenPort}`, stop: running.stop };
}
