import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 20;

/** Identifies a process: the system reuses a pid, but never with the same start time. */
export interface ProcessIdentity {
  pid: number;
  startedAt: string;
}

/** When the process started, as text of the system; undefined when there is none (or only its zombie). */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    const ps = spawnSync('ps', ['-o', 'lstart=,stat=', '-p', String(pid)], { encoding: 'utf8' });
    const line = ps.stdout?.trim() ?? '';
    return line === '' || /\sZ\S*$/.test(line) ? undefined : line.replace(/\s+\S+$/, '');
  }
  try {
    // proc(5): the name in parentheses may hold anything; after it come state (3rd) … starttime (22nd field).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isRunning({ pid, startedAt }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startedAt;
}

/** Sends the signal if that same process still runs. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // It ended between the two calls.
  }
}

/** Waits until the process has ended; false when it still runs after waitMs. */
async function waitForEnd(identity: ProcessIdentity, waitMs: number): Promise<boolean> {
  for (const deadline = Date.now() + waitMs; isRunning(identity); await sleep(pollMs)) {
    if (Date.now() > deadline) return false;
  }
  return true;
}

/** Stops a process by a list of signals, and waits after each before it sends the next, harder one. */
export async function endProcess(identity: ProcessIdentity, steps: readonly StopStep[]): Promise<void> {
  for (const { signal, waitMs } of steps) {
    signalProcess(identity, signal);
    if (await waitForEnd(identity, waitMs)) return;
  }
}

export interface StopStep {
  signal: NodeJS.Signals;
  waitMs: number;
}
