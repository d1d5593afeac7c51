import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { endProcess, isRunning, type ProcessIdentity, type StopStep, startTimeOf } from './identity.ts';

/** One process that was started, and how it is stopped. */
export interface Recorded extends ProcessIdentity {
  name: string;
  stopSteps: readonly StopStep[];
}

/**
 * The list, on disk, of the processes that one owner runs, in the order in which they are to be stopped. With it
 * another process can stop them when the owner was killed (`endLeftovers`).
 */
export function createProcessRecord(dir: string) {
  mkdirSync(dir, { recursive: true });
  const owner = { pid: process.pid, startedAt: startTimeOf(process.pid) ?? '' };
  const file = join(dir, `${owner.pid}-${Date.now()}.json`);
  let removed = false;
  return {
    file,
    write(processes: readonly Recorded[]): void {
      if (removed) return; // A process that ends late must not recreate the list.
      writeFileSync(`${file}.new`, JSON.stringify({ owner, processes }));
      renameSync(`${file}.new`, file);
    },
    remove(): void {
      removed = true;
      rmSync(file, { force: true });
    },
  };
}

/** Stops, in order, what the owner of one record left running. Does nothing while that owner runs. */
export async function endLeftovers(file: string): Promise<string[]> {
  const ended: string[] = [];
  let record: { owner: ProcessIdentity; processes: Recorded[] };
  try {
    record = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return ended; // There is no list, so nothing was started.
  }
  if (isRunning(record.owner)) return ended;
  for (const left of record.processes) {
    if (!isRunning(left)) continue;
    ended.push(left.name);
    await endProcess(left, left.stopSteps);
  }
  rmSync(file, { force: true });
  return ended;
}

/** Stops what earlier owners left running. Resolves to the names of what was. */
export async function endAllLeftovers(dir: string): Promise<string[]> {
  mkdirSync(dir, { recursive: true });
  const files = readdirSync(dir).filter((name) => basename(name).endsWith('.json'));
  const ended = await Promise.all(files.map((name) => endLeftovers(join(dir, name))));
  return ended.flat();
}
