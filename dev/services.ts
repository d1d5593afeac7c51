import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { listens } from './ports.ts';
import { startPostgres } from './postgres.ts';
import type { Processes, ProcessSpec } from './processes.ts';
import { PROJECT_DIR } from './project-dir.ts';
import { type Ports, readSecretKey, type StartSettings } from './settings.ts';
import { emulatorKeys } from './stripe/keys.ts';
import { startTemporal } from './temporal.ts';

const POLL_MS = 50;

/** Stopped in this order: those who take requests first, those who keep data last. */
export const STOP_ORDER = ['api', 'worker', 'stripe', 'temporal', 'postgres'] as const;

export type System = {
  /** What the API and the worker were given. */
  env: NodeJS.ProcessEnv;
  apiUrl: string;
  temporalUiUrl: string | undefined;
};

/**
 * Brings everything up: the services that nobody else provides, the schema, the demo data, the API and the worker.
 * Independent things start at the same time. Resolves when both say that they are ready.
 *
 * @throws SetupProblem in one line for anything a person has to change
 */
export async function startSystem(options: {
  settings: StartSettings;
  ports: Ports;
  processes: Processes;
  log: (line: string) => void;
}): Promise<System> {
  const { settings, ports, processes, log } = options;
  const { dataDir, external } = settings;
  const host = settings.env.HOST ?? '127.0.0.1';
  const apiUrl = urlOf(host, ports.api);
  const env: NodeJS.ProcessEnv = {
    DEBUG: 'true',
    SECRET_KEY: readSecretKey(dataDir),
    ...settings.env,
    HOST: host,
    PORT: String(ports.api),
    DATA_DIR: dataDir,
  };
  const runScript = (name: string, script: string) => processes.run(nodeProcess(name, script, env));

  async function postgres(): Promise<void> {
    if (!external.postgres) {
      const since = stopwatch();
      const server = await startPostgres({ dataDir, port: ports.postgres, log, processes });
      Object.assign(env, server.settings);
      log(`Postgres   up in ${since()}   ${server.description}`);
    }
    const since = stopwatch();
    await runScript('migrate', 'commands/migrate.ts');
    await runScript('seed', 'commands/seed.ts');
    log(`Database   migrated and seeded in ${since()}`);
  }

  async function temporal(): Promise<string | undefined> {
    if (external.temporal) return env.TEMPORAL_UI_URL;
    const since = stopwatch();
    const { temporal: port, temporalUi: uiPort } = ports;
    const { TEMPORAL_NAMESPACE: namespace } = settings.env;
    const server = await startTemporal({
      ...{ dataDir, port, uiPort, log, processes },
      ...(namespace && { namespace }),
    });
    Object.assign(env, server.settings, { TEMPORAL_UI_URL: server.uiUrl });
    log(`Temporal   up in ${since()}`);
    return server.uiUrl;
  }

  async function stripe(): Promise<void> {
    if (external.stripe) return;
    const since = stopwatch();
    const stripeEnv = {
      ...env,
      DEV_STRIPE_PORT: String(ports.stripe),
      STRIPE_WEBHOOK_URL: `${apiUrl}/api/stripe-webhook/`,
    };
    await processes.start({
      ...nodeProcess('stripe', 'dev/stripe/main.ts', stripeEnv),
      ready: (_process, starting) => until(() => listens('127.0.0.1', ports.stripe), starting),
    });
    Object.assign(env, { ...emulatorKeys, STRIPE_API_BASE: `http://127.0.0.1:${ports.stripe}` });
    log(`Stripe     emulator up in ${since()}`);
  }

  const [, temporalUiUrl] = await Promise.all([postgres(), temporal(), stripe()]);
  const since = stopwatch();
  await Promise.all([
    processes.start({
      ...nodeProcess('api', 'api/main.ts', env),
      ready: (_process, starting) => until(() => answers(`${apiUrl}/readyz`), starting),
    }),
    processes.start({
      ...nodeProcess('worker', 'worker/main.ts', env),
      ready: ({ logTail }, starting) =>
        until(() => !logsInfo(env) || logTail().includes('worker ready'), starting),
    }),
  ]);
  log(`Service    API and worker up in ${since()}`);
  return { env, apiUrl, temporalUiUrl };
}

/** Where this machine finds what listens on that host. */
export function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://127.0.0.1:${port}`;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** A script of the project as a process that ends when we do. */
function nodeProcess(name: string, script: string, env: NodeJS.ProcessEnv): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args: ['--import', './dev/die-with-parent.mjs', '--import', 'tsx', script],
    cwd: PROJECT_DIR,
    env,
  };
}

async function until(done: () => boolean | Promise<boolean>, starting: AbortSignal): Promise<void> {
  while (!starting.aborted && !(await done())) await sleep(POLL_MS);
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** The worker says that it is ready by a line in its log only; a quieter log does not have it. */
function logsInfo({ LOG_LEVEL = 'info' }: NodeJS.ProcessEnv): boolean {
  return ['info', 'debug', 'trace'].includes(LOG_LEVEL);
}

function stopwatch(): () => string {
  const startedMs = performance.now();
  return () => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}
