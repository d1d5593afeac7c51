import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, type ProcessIdentity, startTimeOf } from './processes/identity.ts';
import { SetupProblem } from './setup-problem.ts';

/**
 * Locks the data directory for this process: two processes would corrupt its files. A lock whose holder is gone is
 * ignored.
 *
 * @returns a function that releases the lock
 * @throws SetupProblem in one line while another process holds it
 */
export function lockDataDir(dataDir: string): () => void {
  const file = join(dataDir, 'lock.json');
  const mine = JSON.stringify({ pid: process.pid, startedAt: startTimeOf(process.pid) });
  for (;;) {
    try {
      writeFileSync(file, mine, { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = readHolder(file);
    if (holder && isRunning(holder)) {
      throw new SetupProblem(
        `npm start already runs on ${dataDir} (pid ${holder.pid}): stop it first, or set DATA_DIR to another folder.`,
      );
    }
    takeAway(file, holder);
  }
}

function readHolder(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // It was removed meanwhile, or a crash truncated it.
  }
}

/**
 * Removes a dead holder's lock. It uses a rename, so that only one of two processes removes it, and never a live
 * holder's.
 */
function takeAway(file: string, holder: ProcessIdentity | undefined): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // Another process removed it.
  }
  const taken = readHolder(aside);
  if (taken && isRunning(taken) && taken.pid !== holder?.pid) renameSync(aside, file);
  else rmSync(aside, { force: true });
}
