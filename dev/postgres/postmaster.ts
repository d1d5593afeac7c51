import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, type StopStep, startTimeOf } from '../processes/identity.ts';
import { runTool } from '../run-tool.ts';
import { until } from '../until.ts';

const pollMs = 15;
const orphansWaitMs = 10_000;

/** SIGINT: sessions are ended, then a clean shutdown; SIGQUIT: at once, with recovery at the next start. */
export const postgresStopSteps: readonly StopStep[] = [
  { signal: 'SIGINT', waitMs: 15_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

/** postmaster.pid: pid, data directory, start, port, socket, address, shared memory, status – one a line. */
function readPostmasterPid(clusterDir: string): { pid: number; status: string } | undefined {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), status: lines[7]?.trim() ?? '' };
  } catch {
    return undefined;
  }
}

/** Resolves when the server of that pid says that it takes connections. */
export async function waitUntilReady(clusterDir: string, pid: number, starting: AbortSignal): Promise<void> {
  const isReady = () => {
    const postmaster = readPostmasterPid(clusterDir);
    return postmaster?.pid === pid && postmaster.status === 'ready';
  };
  await until('Postgres', isReady, starting, pollMs);
}

/**
 * Stops the server that an earlier run left in this data directory, and waits for the sessions that one killed by
 * force leaves behind. Its postmaster.pid stays: Postgres checks by it that no old session still writes. Only one whose
 * pid was given to another process since is removed, since Postgres might take that for a server.
 */
export async function endEarlierServer(clusterDir: string): Promise<void> {
  const earlier = readPostmasterPid(clusterDir);
  if (!earlier) return;
  const startedAt = startTimeOf(earlier.pid);
  if (startedAt !== undefined) {
    if (await servesDirectory(earlier.pid, clusterDir)) {
      await endProcess({ pid: earlier.pid, startedAt }, postgresStopSteps);
    } else {
      rmSync(join(clusterDir, 'postmaster.pid'), { force: true });
    }
  }
  if (process.platform !== 'linux') return;
  for (const deadline = Date.now() + orphansWaitMs; Date.now() < deadline; await sleep(pollMs)) {
    const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
    if (!pids.some((pid) => worksIn(pid, clusterDir))) return;
  }
}

async function servesDirectory(pid: number, clusterDir: string): Promise<boolean> {
  if (process.platform === 'linux') return worksIn(pid, clusterDir);
  const { stdout } = await runTool('ps', ['-o', 'command=', '-p', String(pid)]);
  return stdout.includes(`-D ${clusterDir} `);
}

/** Every process of a Postgres server works in its data directory. */
function worksIn(pid: number, clusterDir: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === clusterDir;
  } catch {
    return false;
  }
}
