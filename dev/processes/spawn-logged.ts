import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { startTimeOf } from './identity.ts';

const logBytesMax = 10_000_000;
const logTailBytes = 2_000;

export interface Command {
  command: string;
  args: readonly string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
}

export interface Spawned {
  pid: number;
  startedAt: string;
  /** Resolves, never rejects, when the process has ended: only 0 means success. */
  ended: Promise<{ code: number | null; text: string }>;
  /** The last lines of what it wrote since it started. */
  logTail: () => string;
}

/**
 * Spawns a process as a session of its own, its output appended to logFile, its stdin a pipe that ends with us
 * (see die-with-parent.mjs). Throws when it cannot be spawned.
 */
export async function spawnLogged(spec: Command, logFile: string): Promise<Spawned> {
  const log = openLog(logFile);
  const child = spawn(spec.command, spec.args, {
    ...(spec.cwd && { cwd: spec.cwd }),
    ...(spec.env && { env: spec.env }),
    ...(spec.uid !== undefined && { uid: spec.uid }),
    ...(spec.gid !== undefined && { gid: spec.gid }),
    detached: true,
    stdio: ['pipe', log.fd, log.fd],
  });
  closeSync(log.fd);
  child.stdin?.on('error', () => {}); // The process may close its end at any time.
  const ended = new Promise<{ code: number | null; text: string }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, text: signal ?? `exit code ${code}` }));
  });
  if (child.pid === undefined) throw await spawnError(child);
  return {
    pid: child.pid,
    startedAt: startTimeOf(child.pid) ?? '',
    ended,
    logTail: () => readTail(logFile, log.startsAt),
  };
}

function spawnError(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}

/** Opens a log for appending. A large one is renamed first, and replaces the log that was renamed before. */
function openLog(file: string): { fd: number; startsAt: number } {
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes > logBytesMax) renameSync(file, `${file}.1`);
  const fd = openSync(file, 'a');
  return { fd, startsAt: fstatSync(fd).size };
}

function readTail(file: string, startsAt: number): string {
  const fd = openSync(file, 'r');
  try {
    const end = fstatSync(fd).size;
    const from = Math.max(startsAt, end - logTailBytes);
    const buffer = Buffer.alloc(Math.max(0, end - from));
    readSync(fd, buffer, 0, buffer.length, from);
    return buffer.toString('utf8').trimEnd() || '(nothing)';
  } finally {
    closeSync(fd);
  }
}
