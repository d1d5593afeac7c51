import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort, listens, loopback } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { bareEnvironment, type NodeProcess, nodeProcess } from './processes/node-process.ts';
import { createProcesses } from './processes.ts';
import { startStripeProcess } from './stripe.ts';
import { startTemporal } from './temporal.ts';
import { until } from './until.ts';

/** The processes that take requests are stopped first, those that keep data last. */
const stopOrder = ['api', 'worker', 'stripe', 'temporal', 'postgres'];

export interface StackOptions {
  /** Where every part keeps its data and its log. */
  dataDir: string;
  log: (line: string) => void;
  /** Told in one line of every unexpected end and restart; `log` unless given. */
  announce?: (line: string) => void;
  /** Are processes started again when they end by themselves? */
  restart: boolean;
  /** The data is thrown away at the end, so Temporal need not stop in an orderly way. */
  isTemporary?: boolean;
}

/** What an API or a worker is given; its name is `api` or `worker` unless there are several. */
type Part = Omit<NodeProcess, 'name' | 'script'> & { name?: string };

/**
 * The parts of the service as processes on this machine, each started by one call: `npm start`, the tests, the chaos
 * run and the benchmarks differ only in which parts they start, and how many. The processes end with this one, however
 * it ends.
 */
export function createStack({ dataDir, log, announce = log, restart, isTemporary = false }: StackOptions) {
  const processes = createProcesses({
    ...{ dir: dataDir, announce, restart, stopOrder },
    removeDirWhenOrphaned: isTemporary,
  });
  const base = { dataDir, log, processes };

  return {
    dataDir,
    log,
    processes,
    /** On a free port unless told otherwise. */
    startPostgres: (options: Partial<Parameters<typeof startPostgres>[0]> = {}) =>
      startPostgres({ ...base, port: 0, ...options }),
    /** On a free port and without its UI unless told otherwise. */
    startTemporal: (options: Partial<Parameters<typeof startTemporal>[0]> = {}) =>
      startTemporal({
        ...base,
        ...{ port: 0, uiPort: undefined },
        ...(isTemporary && { stopSteps: [{ signal: 'SIGKILL', waitMs: 5_000 }] }),
        ...options,
      }),
    /** On a free port, without settings of ours, unless told otherwise. */
    startStripe: async (options: Partial<Parameters<typeof startStripeProcess>[0]> = {}) =>
      startStripeProcess({
        ...{ processes, dataDir, env: bareEnvironment() },
        ...options,
        port: options.port ?? (await findFreePort()),
      }),
    /** @param options.isReady resolves to true once it serves; unless given, once it listens */
    startApi({ name = 'api', port, isReady, ...part }: Part & { port: number; isReady?: Probe }) {
      return processes.start({
        ...nodeProcess({ ...part, name, script: 'api/main.ts', env: { ...part.env, PORT: String(port) } }),
        ready: (_process, starting) => until(name, isReady ?? (() => listens(loopback, port)), starting),
      });
    },
    /** @param options.isReady resolves to true once it works; unless given, once its log says so */
    startWorker({ name = 'worker', isReady, ...part }: Part & { isReady?: Probe }) {
      return processes.start({
        ...nodeProcess({ ...part, name, script: 'worker/main.ts' }),
        ready: ({ logTail }, starting) =>
          until(name, isReady ?? (() => logTail().includes('worker ready')), starting),
      });
    },
    /** Runs a script of the project to its end. Rejects unless it exits with 0. */
    run: (name: string, script: string, env: NodeJS.ProcessEnv) =>
      processes.run(nodeProcess({ name, script, env })),
    /** Stops everything, those that take requests first. Nothing is started after this. */
    stop: (onStop?: (name: string) => void) => processes.stopAll(onStop),
  };
}

type Probe = () => boolean | Promise<boolean>;

export type Stack = ReturnType<typeof createStack>;

/**
 * A stack in a temporary directory that goes when it is stopped, when its making fails, or when this process dies.
 *
 * @param options.keep leaves the directory, with the logs, when it is stopped
 * @param build starts the parts; what it returns is returned with `stop`
 */
export async function startTemporaryStack<T>(
  options: { name: string; keep?: boolean } & Pick<StackOptions, 'log' | 'announce' | 'restart'>,
  build: (stack: Stack) => Promise<T>,
): Promise<T & { stop: () => Promise<void> }> {
  const { name, keep = false, ...rest } = options;
  const dataDir = mkdtempSync(join(tmpdir(), `booking-${name}-`));
  chmodSync(dataDir, 0o755); // Postgres may run as another user.
  const stack = createStack({ ...rest, dataDir, isTemporary: true });
  const stop = async () => {
    await stack.stop();
    if (!keep) rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    return { ...(await build(stack)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
