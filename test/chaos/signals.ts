import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Sends a signal to a process that may have ended. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended meanwhile, which is a fault as well.
  }
}

/** Stops a process with all its children for a time, then lets it go on. */
export async function freezeFor(pid: number, lastsMs: number): Promise<void> {
  for (const each of familyOf(pid)) send(each, 'SIGSTOP');
  await sleep(lastsMs);
  for (const each of familyOf(pid)) send(each, 'SIGCONT');
}

/** A process and its children (Postgres works in many): stopping the parent alone would stop nothing. */
function familyOf(pid: number): number[] {
  const children = readdirSync('/proc')
    .map(Number)
    .filter((other) => Number.isInteger(other) && parentOf(other) === pid);
  return [pid, ...children];
}

/** proc(5): the name in parentheses may hold anything; after it come the state and the parent. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
