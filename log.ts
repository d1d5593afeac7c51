import { constants, fstatSync, openSync, write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

/** The log of a process: one line of JSON each, to its standard output. */

/** Lines that wait for a slow reader take at most this much memory; further lines are dropped. */
const waitingBytesMax = 1024 * 1024;
/** The pause before writing again to a reader that has no room: at first, and at most. */
const pauseMinMs = 5;
const pauseMaxMs = 100;
/** A write that takes longer than this hangs, for example on a network file system. */
const stuckMs = 1_000;
const newline = 10;

export interface LogDestination extends DestinationStream {
  /** Lines that could not be written, since the start of the process. */
  dropped(): number;
  /** Does a write hang, so that the thread which makes it is lost? */
  isStuck(): boolean;
  /** Waits until everything is written or dropped, at most `withinMs`. Never fails. */
  flush(withinMs: number): Promise<void>;
}

/** When the write under way began; undefined between writes. */
interface WriteClock {
  since: number | undefined;
}

/**
 * Writes all bytes, waiting for a reader that has no room.
 * @returns how many were written: fewer than all where the disk is full or the reader has gone
 */
async function writeAll(fd: number, bytes: Buffer, clock: WriteClock): Promise<number> {
  let written = 0;
  let pauseMs = pauseMinMs;
  while (written < bytes.length) {
    clock.since = performance.now();
    const [error, count] = await writeOnce(fd, bytes, written);
    clock.since = undefined;
    if (error?.code === 'EAGAIN') {
      // `ref: false`: the timer alone must not keep the process alive.
      await sleep(pauseMs, undefined, { ref: false });
      pauseMs = Math.min(pauseMs * 2, pauseMaxMs);
    } else if (error) {
      return written;
    } else {
      written += count;
      pauseMs = pauseMinMs;
    }
  }
  return written;
}

function writeOnce(
  fd: number,
  bytes: Buffer,
  from: number,
): Promise<[error: NodeJS.ErrnoException | null, count: number]> {
  return new Promise((resolve) => write(fd, bytes, from, (error, count) => resolve([error, count])));
}

/**
 * Writes lines without making the caller wait. If the disk is full, or the reader has gone or stalls, lines are dropped
 * and counted.
 * @param onRecovered called with the number of lines lost, once writing works again
 */
export function createLogDestination(fd: number, onRecovered: (lost: number) => void): LogDestination {
  const clock: WriteClock = { since: undefined };
  let waiting: string[] = [];
  let waitingBytes = 0;
  let writing: Promise<void> | undefined;
  let isMidLine = false;
  let dropped = 0;
  let lost = 0;

  function drop(lines: number): void {
    dropped += lines;
    lost += lines;
  }

  async function writeWaiting(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting.length;
      const counted = waitingBytes;
      // A line that a full disk has cut off must not merge with the next one.
      const bytes = Buffer.from((isMidLine ? '\n' : '') + waiting.join(''));
      waiting = [];
      const written = await writeAll(fd, bytes, clock);
      waitingBytes -= counted;
      if (written > 0) isMidLine = bytes[written - 1] !== newline;
      if (written < bytes.length) drop(lines);
      else if (lost > 0) reportRecovery();
    }
    writing = undefined;
  }

  function reportRecovery(): void {
    const lines = lost;
    lost = 0;
    onRecovered(lines);
  }

  return {
    write(line: string): void {
      const bytes = Buffer.byteLength(line);
      if (waitingBytes + bytes > waitingBytesMax) return drop(1);
      waiting.push(line);
      waitingBytes += bytes;
      writing ??= writeWaiting();
    },
    dropped: () => dropped,
    isStuck: () => clock.since !== undefined && performance.now() - clock.since > stuckMs,
    async flush(withinMs: number): Promise<void> {
      await Promise.race([writing, sleep(withinMs, undefined, { ref: false })]);
    },
  };
}

/**
 * A descriptor of standard output that does not block. A blocking write to a reader that stalls would hold a thread of
 * Node's pool for ever, and a process with such a thread cannot even exit.
 */
function openOutput(): number {
  const fd = 1;
  const kind = fstatSync(fd);
  // Node makes a pipe or a socket non-blocking once its stream exists.
  if (kind.isFIFO() || kind.isSocket()) process.stdout.on('error', () => {});
  if (!isatty(fd)) return fd;
  try {
    return openSync('/dev/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
  }
}

export interface ProcessLog {
  log: Logger;
  destination: LogDestination;
}

/** The log of this process. Levels are written by name, times in ISO 8601 and UTC. */
export function createProcessLog(settings: { level: string; service: string }): ProcessLog {
  // An error of standard error, which other code writes to, must not end the process.
  process.stderr.on('error', () => {});
  const destination = createLogDestination(openOutput(), (lost) =>
    log.warn({ lost }, 'lines of the log could not be written'),
  );
  const log: Logger = pino({ ...logOptions(settings.service), level: settings.level }, destination);
  return { log, destination };
}

/** The format of a line, for any destination. */
export function logOptions(service: string) {
  return {
    base: { service },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
  };
}
