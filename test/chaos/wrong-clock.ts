import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupProblem } from '../../dev/setup-problem.ts';

/** How far a wrong clock is ahead: more than a day, so that stays of tomorrow seem to be over. */
export const clockJumpMs = 26 * 3_600_000;

const libraryDirs = '/usr/lib';
const libraryName = 'faketime/libfaketimeMT.so.1';

/**
 * A separate clock for a process and its children, which jumps ahead and back while they run. libfaketime is used
 * rather than a patched `Date`, because it moves the clock for all code of the process, so also for Postgres, and for
 * the native part of Temporal's SDK in a worker. Monotonic clocks are unchanged, as on a host whose time of day is set.
 *
 * @param dir must be readable by the user that runs the process
 * @throws SetupProblem when libfaketime is not installed
 */
export function createWrongClock(dir: string, name: string) {
  const file = join(dir, `${name}.clock`);
  /** Renamed into place, so that no process reads a file that is being written. */
  function set(aheadMs: number): void {
    writeFileSync(`${file}.new`, `+${aheadMs / 1_000}`, { mode: 0o644 });
    renameSync(`${file}.new`, file);
  }
  set(0);
  return {
    env: {
      LD_PRELOAD: findLibrary(),
      FAKETIME_TIMESTAMP_FILE: file,
      // Read at every read of the clock: all processes of a server jump at once.
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    jump: () => set(clockJumpMs),
    comeBack: () => set(0),
  };
}

export type WrongClock = ReturnType<typeof createWrongClock>;

function findLibrary(): string {
  const found = readdirSync(libraryDirs)
    .map((architecture) => join(libraryDirs, architecture, libraryName))
    .find((path) => existsSync(path));
  if (found) return found;
  throw new SetupProblem(
    "libfaketime is missing: install Debian's package `faketime`, or leave the fault `clock` out (--faults).",
  );
}
