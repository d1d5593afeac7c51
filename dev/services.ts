import { isIPv6 } from 'node:net';
import { type Ports, readSecretKey, type StartSettings } from './settings.ts';
import type { Stack } from './stack.ts';

export interface System {
  /** The settings of API and worker. */
  env: NodeJS.ProcessEnv;
  apiUrl: string;
  temporalUiUrl: string | undefined;
}

/**
 * Brings up the system of `npm start`: the services that no setting points elsewhere, the schema, the demo data, the API
 * and the worker. Independent parts start at the same time. Resolves when both say that they are ready.
 *
 * @throws SetupProblem in one line for anything a person has to change
 */
export async function startServices(options: {
  settings: StartSettings;
  ports: Ports;
  stack: Stack;
}): Promise<System> {
  const { settings, ports, stack } = options;
  const { dataDir, log } = stack;
  const { external } = settings;
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

  async function postgres(): Promise<void> {
    if (!external.postgres) {
      const since = stopwatch();
      const server = await stack.startPostgres({ port: ports.postgres });
      Object.assign(env, server.settings);
      log(`Postgres   up in ${since()}   ${server.description}`);
    }
    const since = stopwatch();
    await stack.run('migrate', 'commands/migrate.ts', env);
    await stack.run('seed', 'commands/seed.ts', env);
    log(`Database   migrated and seeded in ${since()}`);
  }

  async function temporal(): Promise<string | undefined> {
    if (external.temporal) return env.TEMPORAL_UI_URL;
    const since = stopwatch();
    const { TEMPORAL_NAMESPACE: namespace } = settings.env;
    const server = await stack.startTemporal({
      ...{ port: ports.temporal, uiPort: ports.temporalUi },
      ...(namespace && { namespace }),
    });
    Object.assign(env, server.settings, { TEMPORAL_UI_URL: server.uiUrl });
    log(`Temporal   up in ${since()}`);
    return server.uiUrl;
  }

  async function stripe(): Promise<void> {
    if (external.stripe) return;
    const since = stopwatch();
    const webhookUrl = `${apiUrl}/api/stripe-webhook/`;
    const emulator = await stack.startStripe({ port: ports.stripe, env, webhookUrl });
    Object.assign(env, emulator.settings);
    log(`Stripe     emulator up in ${since()}`);
  }

  const [, temporalUiUrl] = await Promise.all([postgres(), temporal(), stripe()]);
  const since = stopwatch();
  await Promise.all([
    stack.startApi({ env, port: ports.api, isReady: () => answers(`${apiUrl}/readyz`) }),
    // Only a line in its log says that the worker is ready, and a log of warnings lacks it.
    stack.startWorker({ env, ...(!logsInfo(env) && { isReady: () => true }) }),
  ]);
  log(`Service    API and worker up in ${since()}`);
  return { env, apiUrl, temporalUiUrl };
}

/** The address at which this machine reaches a server that listens on that host. */
export function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://127.0.0.1:${port}`;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

function logsInfo({ LOG_LEVEL = 'info' }: NodeJS.ProcessEnv): boolean {
  return ['info', 'debug', 'trace'].includes(LOG_LEVEL);
}

function stopwatch(): () => string {
  const startedMs = performance.now();
  return () => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}
