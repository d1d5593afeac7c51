import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '../../db/migrate.ts';
import { findFreePort, listens } from '../../dev/ports.ts';
import { startPostgres } from '../../dev/postgres.ts';
import { createProcesses, type Processes, type RunningProcess } from '../../dev/processes.ts';
import { PROJECT_DIR } from '../../dev/project-dir.ts';
import { connectStripeControl } from '../../dev/stripe.ts';
import { createAccessTokens } from '../../http/auth/access-tokens.ts';
import { bundleWorkflows } from '../../worker/bundle.ts';
import { startNginx } from './nginx.ts';
import { startTemporalCluster } from './temporal.ts';
import type { Tools } from './tools.ts';

const pollMs = 50;
const taskQueue = 'bookings';

export interface StackOptions {
  holdMs: number;
  tools: Tools;
  log: (line: string) => void;
  keep: boolean;
}

/**
 * The service in production form, as docs/operations.md describes it without containers: Postgres, Temporal on it, nginx
 * with HTTPS, two APIs, two workers, each a process of its own that a supervisor starts again. In Stripe's place stands
 * the emulator, with keys that are not public. Everything listens on 127.0.0.1, on free ports.
 */
export async function startStack({ holdMs, tools, log, keep }: StackOptions) {
  const dir = mkdtempSync(join(tmpdir(), 'booking-rehearsal-'));
  chmodSync(dir, 0o755); // Postgres may run as another user.
  const processes = createProcesses({
    dir,
    announce: () => {},
    restart: true,
    stopOrder: ['nginx', 'api-1', 'api-2', 'worker-1', 'worker-2', 'stripe', 'temporal', 'postgres'],
    removeDirWhenOrphaned: !keep,
  });
  const stop = async () => {
    await processes.stopAll();
    if (!keep) rmSync(dir, { recursive: true, force: true });
  };
  try {
    return { ...(await startParts({ dir, processes, holdMs, tools, log })), dir, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export type Stack = Awaited<ReturnType<typeof startStack>>;
export type PartName = keyof Stack['parts'];

interface PartsOptions extends Omit<StackOptions, 'keep'> {
  dir: string;
  processes: Processes;
}

async function startParts({ dir, processes, holdMs, tools, log }: PartsOptions) {
  log('Postgres …');
  const settings = { track_commit_timestamp: 'on' };
  const postgres = await startPostgres({ dataDir: dir, port: 0, log, processes, settings });
  await migrate(postgres.settings.MIGRATE_DATABASE_URL, { appRole: 'booking_app' });
  log('Temporal, its schema and its namespace …');
  const temporal = await startTemporalCluster({ dir, postgresUrl: postgres.adminUrl, processes, tools });
  log('nginx, the Stripe emulator, two APIs, two workers …');
  const apiPorts = [await findFreePort(), await findFreePort()] as const;
  const stripePort = await findFreePort();
  const nginx = await startNginx({ dir, apiPorts, processes, tools });
  const secrets = makeSecrets();
  const workflowBundle = join(dir, 'workflows.js');
  writeFileSync(workflowBundle, await bundleWorkflows());
  const env = {
    ...secrets,
    ...postgres.settings,
    TEMPORAL_ADDRESS: temporal.address,
    STRIPE_API_BASE: `http://127.0.0.1:${stripePort}`,
    WORKFLOW_BUNDLE: workflowBundle,
    TRUST_PROXY_HOPS: '1',
    HOLD_MINUTES: String(holdMs / 60_000),
    RECONCILE_SECONDS: '15',
  };
  const start = partStarter(processes);
  const stripe = await start('stripe', 'dev/stripe/main.ts', stripePort, {
    ...secrets,
    DEV_STRIPE_PORT: String(stripePort),
    DATA_DIR: dir,
    STRIPE_WEBHOOK_URL: `${nginx.plainUrl}/api/stripe-webhook/`,
  });
  const [api1, api2, worker1, worker2] = await Promise.all([
    start('api-1', 'api/main.ts', apiPorts[0], { ...env, PORT: String(apiPorts[0]) }),
    start('api-2', 'api/main.ts', apiPorts[1], { ...env, PORT: String(apiPorts[1]) }),
    start('worker-1', 'worker/main.ts', undefined, env),
    start('worker-2', 'worker/main.ts', undefined, env),
  ]);
  const databaseUrl = new URL(postgres.adminUrl);
  databaseUrl.pathname = '/booking';
  return {
    url: nginx.url,
    ca: nginx.ca,
    apiUrls: apiPorts.map((port) => `http://127.0.0.1:${port}`),
    parts: {
      'api-1': api1,
      'api-2': api2,
      'worker-1': worker1,
      'worker-2': worker2,
      nginx,
      stripe,
      temporal,
      postgres,
    },
    /** Here rather than among the parts, since it can be taken away and brought back. */
    cluster: temporal,
    temporal: { address: temporal.address, namespace: temporal.namespace, taskQueue },
    commitTimes: true,
    stripe: connectStripeControl(`http://127.0.0.1:${stripePort}`, secrets.STRIPE_SECRET_KEY),
    stripeUrl: `http://127.0.0.1:${stripePort}`,
    stripeKeys: { secret: secrets.STRIPE_SECRET_KEY, publishable: secrets.STRIPE_PUBLISHABLE_KEY },
    tokens: createAccessTokens([secrets.SECRET_KEY]),
    query: <Row>(sql: string, values: unknown[] = []) => query<Row>(databaseUrl.href, sql, values),
  };
}

/** As an operator makes them: docs/operations.md. */
function makeSecrets() {
  const secret = () => randomBytes(24).toString('hex');
  return {
    SECRET_KEY: randomBytes(48).toString('base64'),
    CLEANUP_TOKEN: secret(),
    METRICS_TOKEN: secret(),
    STRIPE_SECRET_KEY: `sk_test_${secret()}`,
    STRIPE_PUBLISHABLE_KEY: `pk_test_${secret()}`,
    STRIPE_WEBHOOK_SECRET: `whsec_${secret()}`,
  };
}

/** Starts a process of the project with these settings and none of the caller's. */
function partStarter(processes: Processes) {
  const { PATH, HOME, TMPDIR } = process.env;
  return (
    name: string,
    script: string,
    port: number | undefined,
    env: Record<string, string>,
  ): Promise<RunningProcess> =>
    processes.start({
      name,
      command: process.execPath,
      args: ['--import', './dev/die-with-parent.mjs', '--import', 'tsx', script],
      cwd: PROJECT_DIR,
      env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...env },
      // As long as compose gives it.
      stopSteps: [
        { signal: 'SIGTERM', waitMs: 40_000 },
        { signal: 'SIGKILL', waitMs: 5_000 },
      ],
      ready: async ({ logTail }, starting) => {
        const serves = () =>
          port === undefined ? logTail().includes('worker ready') : listens('127.0.0.1', port);
        while (!starting.aborted && !(await serves())) await sleep(pollMs);
      },
    });
}

async function query<Row>(url: string, sql: string, values: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows as Row[];
  } finally {
    await client.end();
  }
}
