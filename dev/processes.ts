import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, signalProcess, type StopStep } from './processes/identity.ts';
import { createProcessRecord } from './processes/record.ts';
import { SetupProblem } from './setup-problem.ts';
import { type Command, type Spawned, spawnLogged } from './processes/spawn-logged.ts';
import { startWatchdog } from './processes/watchdog.ts';

const readyMsMax = 60_000;
const restartWaitMsMin = 250;
const restartWaitMsMax = 15_000;
/** A process that ran this long was healthy: its next restart happens without delay. */
const stableMs = 30_000;

const defaultStopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', waitMs: 12_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

export interface ProcessSpec extends Command {
  /** Names the process in messages, in the stop order, and its log file. */
  name: string;
  /** Signals from gentle to hard, each with its grace period. */
  stopSteps?: readonly StopStep[];
  /** The signals of a hasty stop (the second Ctrl-C): SIGKILL unless set otherwise. */
  forceSignal?: NodeJS.Signals;
  /** Runs before every start, also before a restart. */
  prepare?: () => Promise<void>;
  /** Resolves once the process serves. `starting` is aborted when the start has failed. */
  ready?: (process: Spawned, starting: AbortSignal) => Promise<unknown>;
}

export interface RunningProcess {
  /** The current pid: it changes with a restart and is undefined while no process runs. */
  pid: () => number | undefined;
  stop: () => Promise<void>;
}

interface Entry {
  spec: ProcessSpec;
  current: Spawned | undefined;
  stopping: boolean;
}

/**
 * Starts processes and keeps them running.
 *
 * Every process is a session of its own, so that a Ctrl-C in the terminal reaches only us and the stop has an order;
 * it writes to DIR/logs/NAME.log. One that ends by itself is started again, with back-off, when `restart` is set.
 * When the owner dies without a chance to stop them, a watchdog does.
 *
 * @param options.dir       where logs/ and run/ (the record of what runs) go
 * @param options.announce  receives one line about every unexpected end and restart
 * @param options.stopOrder names in the order in which stopAll stops them, `api` for `api-1` too; others go first
 * @param options.removeDirWhenOrphaned  the watchdog also deletes dir (for tests)
 */
export function createProcesses(options: {
  dir: string;
  announce: (line: string) => void;
  restart: boolean;
  stopOrder?: readonly string[];
  removeDirWhenOrphaned?: boolean;
}) {
  const { dir, announce, restart, stopOrder = [] } = options;
  const logsDir = join(dir, 'logs');
  mkdirSync(logsDir, { recursive: true });
  const record = createProcessRecord(join(dir, 'run'));
  const entries = new Set<Entry>();
  let dismissWatchdog: (() => void) | undefined;
  let stopped = false;

  const logFileOf = (name: string) => join(logsDir, `${name}.log`);
  const rank = ({ spec: { name } }: Entry) =>
    stopOrder.findIndex((kind) => name === kind || name.startsWith(`${kind}-`));
  const inStopOrder = () => [...entries].sort((a, b) => rank(a) - rank(b));
  const isUnwanted = (entry: Entry) => stopped || entry.stopping;

  function setCurrent(entry: Entry, current: Spawned | undefined): void {
    entry.current = current;
    record.write(
      inStopOrder().flatMap(({ spec, current: process }) =>
        process
          ? [{ name: spec.name, ...identityOf(process), stopSteps: spec.stopSteps ?? defaultStopSteps }]
          : [],
      ),
    );
  }

  async function spawnEntry(entry: Entry): Promise<Spawned | undefined> {
    const { spec } = entry;
    await spec.prepare?.();
    if (isUnwanted(entry)) return undefined;
    dismissWatchdog ??= startWatchdog(record.file, options.removeDirWhenOrphaned ? dir : undefined);
    try {
      const spawned = await spawnLogged(spec, logFileOf(spec.name));
      setCurrent(entry, spawned);
      return spawned;
    } catch (error) {
      throw new SetupProblem(
        `${spec.name} cannot be started: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  function failure({ spec }: Entry, spawned: Spawned, why: string): SetupProblem {
    return new SetupProblem(`${spec.name} ${why}. The end of ${logFileOf(spec.name)}:\n${spawned.logTail()}`);
  }

  /** Spawns the process and waits until it serves. Rejects when it ends before, or takes too long. */
  async function launch(entry: Entry): Promise<void> {
    const spawned = await spawnEntry(entry);
    if (!spawned || !entry.spec.ready) return;
    const starting = new AbortController();
    const outcome = await Promise.race([
      entry.spec.ready(spawned, starting.signal).then(() => undefined, String),
      spawned.ended.then(({ text }) => `ended before it was ready (${text})`),
      sleep(readyMsMax, `was not ready after ${readyMsMax / 1000} s`, { ref: false }),
    ]);
    starting.abort();
    if (outcome === undefined) return;
    await endProcess(spawned, entry.spec.stopSteps ?? defaultStopSteps);
    setCurrent(entry, undefined);
    throw failure(entry, spawned, outcome);
  }

  /** Waits for the process to end and restarts it, as long as it is wanted. */
  async function keepRunning(entry: Entry): Promise<void> {
    const { name } = entry.spec;
    let waitMs = restartWaitMsMin;
    while (entry.current) {
      const sinceMs = Date.now();
      let why = `ended (${(await entry.current.ended).text})`;
      setCurrent(entry, undefined);
      if (Date.now() - sinceMs > stableMs) waitMs = restartWaitMsMin;
      while (!entry.current && restart && !isUnwanted(entry)) {
        announce(`${name} ${why}; starting it again in ${waitMs / 1000} s. Log: ${logFileOf(name)}`);
        await sleep(waitMs, undefined, { ref: false });
        waitMs = Math.min(2 * waitMs, restartWaitMsMax);
        try {
          await launch(entry);
          if (entry.current) announce(`${name} runs again.`);
        } catch (error) {
          why = `did not start (${String(error).split('\n')[0]})`;
        }
      }
    }
  }

  async function stopEntry(entry: Entry): Promise<void> {
    entry.stopping = true;
    if (entry.current) {
      await endProcess(entry.current, entry.spec.stopSteps ?? defaultStopSteps);
      setCurrent(entry, undefined);
    }
    entries.delete(entry);
  }

  return {
    logFileOf,

    /** Starts a process and keeps it. Resolves when it is ready; rejects with a SetupProblem when it ends before. */
    async start(spec: ProcessSpec): Promise<RunningProcess> {
      const entry: Entry = { spec, current: undefined, stopping: false };
      entries.add(entry);
      try {
        await launch(entry);
      } catch (error) {
        entries.delete(entry);
        throw error;
      }
      void keepRunning(entry);
      return { pid: () => entry.current?.pid, stop: () => stopEntry(entry) };
    },

    /** Runs a process to its end. Rejects with a SetupProblem, and the end of its log, unless it exits with 0. */
    async run(spec: ProcessSpec): Promise<void> {
      const entry: Entry = { spec, current: undefined, stopping: false };
      entries.add(entry);
      try {
        const spawned = await spawnEntry(entry);
        const end = await spawned?.ended;
        setCurrent(entry, undefined);
        if (spawned && end && end.code !== 0) throw failure(entry, spawned, `failed (${end.text})`);
      } finally {
        entries.delete(entry);
      }
    },

    /** Stops everything, one after the other in the stop order. Nothing is started after this. */
    async stopAll(onStop: (name: string) => void = () => {}): Promise<void> {
      stopped = true;
      for (const entry of inStopOrder()) {
        if (entry.current) onStop(entry.spec.name);
        await stopEntry(entry);
      }
      record.remove();
      dismissWatchdog?.();
    },

    /** Stops everything at once. What survives is left to the watchdog. */
    killAll(): void {
      stopped = true;
      for (const { current, spec } of entries)
        if (current) signalProcess(current, spec.forceSignal ?? 'SIGKILL');
    },
  };
}

function identityOf({ pid, startedAt }: Spawned) {
  return { pid, startedAt };
}

export type Processes = ReturnType<typeof createProcesses>;
