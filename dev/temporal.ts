import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort, listens, loopback } from './ports.ts';
import type { StopStep } from './processes/identity.ts';
import type { Processes } from './processes.ts';
import { runTool } from './run-tool.ts';
import { findTemporalTool } from './temporal/binary.ts';
import { temporalCli } from './temporal/tools.ts';
import { until } from './until.ts';

const portTriesMax = 3;
/** The dev server's default is a day; a redelivered message must find its workflow for longer than that. */
const retention = '720h';

const stopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

export interface TemporalServer {
  settings: { TEMPORAL_ADDRESS: string; TEMPORAL_NAMESPACE: string };
  /** Undefined when it runs without its UI. */
  uiUrl: string | undefined;
  pid: () => number | undefined;
  stop: () => Promise<void>;
}

/**
 * Starts Temporal's dev server as a process of its own, on 127.0.0.1. Its state is a SQLite file in dataDir, which
 * survives a restart and a SIGKILL. Registers the search attribute BookingStatus and sets the retention to 30 days.
 *
 * @param options.port      0 takes a free one
 * @param options.uiPort    0 takes a free one, undefined runs without the UI
 * @param options.stopSteps tests, which throw the state away, stop it the hard way
 * @throws SetupProblem in one line when there is no server, or it does not start
 */
export async function startTemporal(options: {
  dataDir: string;
  port: number;
  uiPort: number | undefined;
  log: (line: string) => void;
  processes: Processes;
  namespace?: string;
  stopSteps?: readonly StopStep[];
}): Promise<TemporalServer> {
  const { dataDir, processes, namespace = 'default' } = options;
  const binary = await findTemporalTool(temporalCli, options.log);
  const stateDir = join(dataDir, 'temporal');
  mkdirSync(stateDir, { recursive: true });
  for (let tries = 1; ; tries++) {
    const port = options.port || (await findFreePort());
    const uiPort = options.uiPort === 0 ? await findFreePort() : options.uiPort;
    const ui =
      uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort), '--ui-disable-news-fetch'];
    try {
      const server = await processes.start({
        name: 'temporal',
        command: binary,
        args: [
          ...['server', 'start-dev', '--ip', loopback, '--port', String(port), ...ui, '--log-level', 'warn'],
          ...['--db-filename', join(stateDir, 'temporal.db')],
          // As fast as memory and safe enough: a killed process loses nothing, a power cut at most the last moments.
          ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
          ...['--namespace', namespace, '--search-attribute', 'BookingStatus=Keyword'],
        ],
        cwd: stateDir,
        env: environment(),
        stopSteps: options.stopSteps ?? stopSteps,
        ready: (_process, starting) => waitUntilReady(binary, port, namespace, starting),
      });
      return {
        settings: { TEMPORAL_ADDRESS: `${loopback}:${port}`, TEMPORAL_NAMESPACE: namespace },
        uiUrl: uiPort === undefined ? undefined : `http://${loopback}:${uiPort}`,
        pid: server.pid,
        stop: server.stop,
      };
    } catch (error) {
      // Another process may have taken a free port meanwhile.
      if ((options.port !== 0 && options.uiPort !== 0) || tries === portTriesMax) throw error;
    }
  }
}

/**
 * Our environment without Temporal's settings: they may point its command line at another server, with the keys of that
 * server.
 */
function environment(): NodeJS.ProcessEnv {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_'));
  return { ...Object.fromEntries(ours), TEMPORAL_CONFIG_FILE: '/dev/null' };
}

/** It is ready when it listens, and its namespace exists and accepts the retention. */
async function waitUntilReady(
  binary: string,
  port: number,
  namespace: string,
  starting: AbortSignal,
): Promise<void> {
  const update = ['operator', 'namespace', 'update', '--namespace', namespace, '--retention', retention];
  const isReady = async () => {
    if (!(await listens(loopback, port))) return false;
    const command = [...update, '--address', `${loopback}:${port}`];
    return (await runTool(binary, command, { env: environment() })).code === 0;
  };
  await until('Temporal', isReady, starting);
}
