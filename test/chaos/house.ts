import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createAccessTokens } from '../../http/auth/access-tokens.ts';
import { migrate } from '../../db/migrate.ts';
import { findFreePort, listens } from '../../dev/ports.ts';
import { startPostgres } from '../../dev/postgres.ts';
import { createProcesses, type RunningProcess } from '../../dev/processes.ts';
import { PROJECT_DIR } from '../../dev/project-dir.ts';
import { connectStripeControl } from '../../dev/stripe.ts';
import { startTemporal } from '../../dev/temporal.ts';
import { bundleWorkflows } from '../../worker/bundle.ts';
import { openLink } from './link.ts';

const secretKey = 'chaos-only-secret-key-0123456789-abcdef';
const stripeKeys = { secret: 'sk_test_emulator', publishable: 'pk_test_emulator' };
const pollMs = 50;

export interface HouseOptions {
  holdMs: number;
  log: (line: string) => void;
  keep: boolean;
}

/**
 * Every part of the service as a process of its own, on free ports, started again by a supervisor when it ends: Postgres,
 * Temporal, the Stripe emulator, two APIs, two workers. They reach each other through links, where the faults sit.
 */
export async function openHouse({ holdMs, log, keep }: HouseOptions) {
  const dir = mkdtempSync(join(tmpdir(), 'booking-chaos-'));
  chmodSync(dir, 0o755); // Postgres may run as another user.
  const ends: string[] = [];
  const processes = createProcesses({
    dir,
    announce: (line) => ends.push(line.split('. Log:')[0] ?? line),
    restart: true,
    stopOrder: ['api-1', 'api-2', 'worker-1', 'worker-2', 'stripe', 'temporal', 'postgres'],
    removeDirWhenOrphaned: true,
  });
  const close = async () => {
    await processes.stopAll();
    if (!keep) rmSync(dir, { recursive: true, force: true });
  };
  try {
    return await furnish();
  } catch (error) {
    await close();
    throw error;
  }

  async function furnish() {
    const workflowBundle = join(dir, 'workflows.js');
    const stripePort = await findFreePort();
    const [postgres, temporal] = await Promise.all([
      startPostgres({ dataDir: dir, port: 0, log, processes, settings: { track_commit_timestamp: 'on' } }),
      startTemporal({ dataDir: dir, port: 0, uiPort: undefined, log, processes }),
      bundleWorkflows().then((code) => writeFileSync(workflowBundle, code)),
      startPart('stripe', 'dev/stripe/main.ts', stripePort, {
        DEV_STRIPE_PORT: String(stripePort),
        DATA_DIR: dir,
      }),
    ]);
    await migrate(postgres.settings.MIGRATE_DATABASE_URL, { appRole: 'booking_app' });

    const databasePort = Number(new URL(postgres.adminUrl).port);
    const temporalPort = Number(temporal.settings.TEMPORAL_ADDRESS.split(':')[1]);
    const apiPorts = [await findFreePort(), await findFreePort()] as const;
    const links = {
      'api-postgres': await openLink(() => databasePort),
      'worker-postgres': await openLink(() => databasePort),
      'api-temporal': await openLink(() => temporalPort),
      'worker-temporal': await openLink(() => temporalPort),
      'api-stripe': await openLink(() => stripePort),
      'worker-stripe': await openLink(() => stripePort),
      'client-api-1': await openLink(() => apiPorts[0]),
      'client-api-2': await openLink(() => apiPorts[1]),
      'stripe-api': await openLink(balance(apiPorts)),
    };
    const envOf = (who: 'api' | 'worker') => {
      const url = new URL(postgres.settings.DATABASE_URL);
      url.port = String(links[`${who}-postgres`].port);
      return {
        ...settings(holdMs),
        DATABASE_URL: url.href,
        TEMPORAL_ADDRESS: `127.0.0.1:${links[`${who}-temporal`].port}`,
        STRIPE_API_BASE: `http://127.0.0.1:${links[`${who}-stripe`].port}`,
        WORKFLOW_BUNDLE: workflowBundle,
        LOG_LEVEL: who === 'api' ? 'warn' : 'info',
      };
    };
    const startApi = (name: string, port: number) =>
      startPart(name, 'api/main.ts', port, { ...envOf('api'), PORT: String(port) });
    const [api1, api2, worker1, worker2] = await Promise.all([
      startApi('api-1', apiPorts[0]),
      startApi('api-2', apiPorts[1]),
      startPart('worker-1', 'worker/main.ts', undefined, envOf('worker')),
      startPart('worker-2', 'worker/main.ts', undefined, envOf('worker')),
    ]);
    const stripe = connectStripeControl(`http://127.0.0.1:${stripePort}`, stripeKeys.secret);
    await stripe.setWebhookUrl(`http://127.0.0.1:${links['stripe-api'].port}/api/stripe-webhook/`);
    const databaseUrl = new URL(postgres.adminUrl);
    databaseUrl.pathname = '/booking';
    const parts = {
      'api-1': api1,
      'api-2': api2,
      'worker-1': worker1,
      'worker-2': worker2,
      temporal,
      postgres,
    };

    return {
      dir,
      /** What the supervisor had to say: every unexpected end and every restart. */
      ends,
      links,
      parts,
      stripe,
      stripeUrl: `http://127.0.0.1:${stripePort}`,
      stripeKeys,
      temporal: { address: `127.0.0.1:${temporalPort}`, namespace: 'default', taskQueue: 'bookings' },
      commitTimes: true,
      apiUrls: [links['client-api-1'], links['client-api-2']].map((link) => `http://127.0.0.1:${link.port}`),
      tokens: createAccessTokens([secretKey]),
      /** Past the links, as the superuser: for the furniture and for the evidence. */
      query: <Row>(sql: string, values: unknown[] = []) => query<Row>(databaseUrl.href, sql, values),
      async close() {
        await close();
        await Promise.all(Object.values(links).map((link) => link.close()));
      },
    };
  }

  function startPart(
    name: string,
    script: string,
    port: number | undefined,
    env: NodeJS.ProcessEnv,
  ): Promise<RunningProcess> {
    return processes.start({
      name,
      command: process.execPath,
      args: ['--import', './dev/die-with-parent.mjs', '--import', 'tsx', script],
      cwd: PROJECT_DIR,
      env: { ...bareEnvironment(), ...env },
      ready: async ({ logTail }, starting) => {
        const serves = () =>
          port === undefined ? logTail().includes('worker ready') : listens('127.0.0.1', port);
        while (!starting.aborted && !(await serves())) await sleep(pollMs);
      },
    });
  }
}

export type House = Awaited<ReturnType<typeof openHouse>>;
export type PartName = keyof House['parts'];
export type LinkName = keyof House['links'];

/** What a caller's environment may hold of the service's settings stays outside. */
function bareEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR && { TMPDIR }) };
}

function settings(holdMs: number): NodeJS.ProcessEnv {
  return {
    DEBUG: 'true',
    SECRET_KEY: secretKey,
    STRIPE_SECRET_KEY: stripeKeys.secret,
    STRIPE_PUBLISHABLE_KEY: stripeKeys.publishable,
    STRIPE_WEBHOOK_SECRET: 'whsec_emulator',
    HOLD_MINUTES: String(holdMs / 60_000),
    RECONCILE_SECONDS: '15',
    LIMIT_OPEN_HOLDS: '0',
    LIMIT_REQUESTS: '0',
    LIMIT_LOGIN_FAILURES: '0',
    LIMIT_REGISTRATIONS: '0',
  };
}

/** Round robin, as a balancer in front of two APIs. */
function balance(ports: readonly number[]): () => number {
  let turn = 0;
  return () => ports[turn++ % ports.length] ?? 0;
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
