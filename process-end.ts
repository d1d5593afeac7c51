import type { ProcessLog } from './log.ts';

/** The log's buffer gets this long to be written. */
const flushMs = 500;
/** After an orderly stop, a handle that is still open keeps the process alive for at most this long. */
const lingerMs = 1_000;

export interface OrderlyStop {
  /** Stops the work. `atOnce`: the process may be in a bad state; no time for others to notice. */
  stop: (options: { atOnce: boolean }) => Promise<void>;
  /** After this time the process ends even if the stop is not over. */
  stopMaxMs: number;
  /** Signals that end the process in order. */
  signals: readonly NodeJS.Signals[];
}

/**
 * Ends the process in order on the signals, and with exit code 1 on an unhandled error, so that its supervisor starts
 * it anew. It does not wait without limit for the log or the stop, since both may have failed.
 */
export function endInOrder({ log, destination }: ProcessLog, { stop, stopMaxMs, signals }: OrderlyStop) {
  let isEnding = false;

  function exit(code: number): void {
    // On exit Node waits for the threads of its pool: one that hangs in a write would keep the process for ever.
    if (destination.isStuck()) process.kill(process.pid, 'SIGKILL');
    process.exit(code);
  }

  async function end(code: number): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    process.exitCode = code;
    setTimeout(() => exit(code), stopMaxMs).unref();
    try {
      await stop({ atOnce: code !== 0 });
      say(() => log.info('stopped'));
    } catch (error) {
      say(() => log.error({ err: error }, 'could not stop in order'));
    }
    await destination.flush(flushMs);
    setTimeout(() => exit(code), lingerMs).unref();
  }

  /** Ends the process with exit code 1 after an error that it cannot go on from. */
  function fail(error: unknown, message = 'could not go on'): void {
    say(() => log.fatal({ err: error }, message));
    void end(1);
  }

  for (const signal of signals) process.on(signal, () => void end(0));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => fail(error, event));
  }
  return { fail };
}

/** An error whose own properties throw cannot be logged; that must not stop the stop. */
function say(line: () => void): void {
  try {
    line();
  } catch {
    // Nothing else can report it.
  }
}
