import { readFileSync } from 'node:fs';
import { emulatorKeys } from 'stripe-emulator';
import { inDatabase, withClient } from '../../dev/databases.ts';
import { connectDatabase } from '../../db/knex.ts';
import { migrate } from '../../db/migrate.ts';
import { findFreePort } from '../../dev/ports.ts';
import { bareEnvironment } from '../../dev/processes/node-process.ts';
import { type Stack, startTemporaryStack } from '../../dev/stack.ts';
import { until } from '../../dev/until.ts';
import { writeWorkflowBundle } from '../../dev/workflow-bundle.ts';
import { createAccessTokens } from '../../http/auth/access-tokens.ts';
import { openLink } from './link.ts';
import { openLogOutput } from './log-output.ts';
import { createWrongClock, type WrongClock } from './wrong-clock.ts';

const secretKey = 'chaos-only-secret-key-0123456789-abcdef';

export interface ChaosStackOptions {
  holdMs: number;
  /** Give Postgres and the workers clocks that can jump. */
  withClocks: boolean;
  log: (line: string) => void;
  /** Leave the directory with the logs behind. */
  keep: boolean;
}

/**
 * Every part of the service as a process of its own, on free ports, started again by a supervisor when it ends: Postgres,
 * Temporal, the Stripe emulator, two APIs, two workers. They reach each other through links, where the faults sit.
 */
export async function startChaosStack({ holdMs, withClocks, log, keep }: ChaosStackOptions) {
  /** The supervisor's messages: every unexpected end and every restart. */
  const ends: string[] = [];
  const announce = (line: string) => ends.push(line.split('. Log:')[0] ?? line);
  return startTemporaryStack({ name: 'chaos', log, announce, restart: true, keep }, async (stack) => ({
    ...(await startParts(stack, holdMs, withClocks)),
    dir: stack.dataDir,
    ends,
  }));
}

async function startParts(stack: Stack, holdMs: number, withClocks: boolean) {
  const clocks = withClocks ? createClocks(stack.dataDir) : undefined;
  const [postgres, temporal, emulator, workflowBundle] = await Promise.all([
    stack.startPostgres({
      settings: { track_commit_timestamp: 'on' },
      ...(clocks && { env: clocks.database.env }),
    }),
    stack.startTemporal(),
    stack.startStripe(),
    writeWorkflowBundle(stack.dataDir),
  ]);
  await migrate(postgres.settings.MIGRATE_DATABASE_URL, { appUrl: postgres.settings.DATABASE_URL });

  const portOf = (url: string) => Number(new URL(url).port);
  const temporalPort = portOf(`http://${temporal.settings.TEMPORAL_ADDRESS}`);
  const apiPorts = [await findFreePort(), await findFreePort()] as const;
  const links = {
    'api-postgres': await openLink(() => portOf(postgres.adminUrl)),
    'worker-postgres': await openLink(() => portOf(postgres.adminUrl)),
    'api-temporal': await openLink(() => temporalPort),
    'worker-temporal': await openLink(() => temporalPort),
    'api-stripe': await openLink(() => portOf(emulator.url)),
    'worker-stripe': await openLink(() => portOf(emulator.url)),
    'client-api-1': await openLink(() => apiPorts[0]),
    'client-api-2': await openLink(() => apiPorts[1]),
    'stripe-api': await openLink(balance(apiPorts)),
  };
  const envOf = (who: 'api' | 'worker') => {
    const url = new URL(postgres.settings.DATABASE_URL);
    url.port = String(links[`${who}-postgres`].port);
    return {
      ...bareEnvironment(),
      ...settings(holdMs),
      DATABASE_URL: url.href,
      TEMPORAL_ADDRESS: `127.0.0.1:${links[`${who}-temporal`].port}`,
      STRIPE_API_BASE: `http://127.0.0.1:${links[`${who}-stripe`].port}`,
      WORKFLOW_BUNDLE: workflowBundle,
      LOG_LEVEL: 'info',
    };
  };
  const outputs = {
    'api-1': await openOutput(stack, 'api-1'),
    'api-2': await openOutput(stack, 'api-2'),
    'worker-1': await openOutput(stack, 'worker-1'),
    'worker-2': await openOutput(stack, 'worker-2'),
  };
  const startApi = (name: 'api-1' | 'api-2', port: number) =>
    stack.startApi({ name, port, output: outputs[name].path, env: envOf('api') });
  const startWorker = (name: 'worker-1' | 'worker-2') =>
    stack.startWorker({
      ...{ name, output: outputs[name].path },
      env: { ...envOf('worker'), ...clocks?.[name].env },
      // Later its log may have no reader.
      isReady: () => true,
    });
  const [api1, api2, worker1, worker2] = await Promise.all([
    startApi('api-1', apiPorts[0]),
    startApi('api-2', apiPorts[1]),
    startWorker('worker-1'),
    startWorker('worker-2'),
  ]);
  for (const name of ['worker-1', 'worker-2'])
    await until(`${name} is ready`, () => logHas(stack, name, 'worker ready'), 60_000);
  await emulator.control.setWebhookUrl(`http://127.0.0.1:${links['stripe-api'].port}/api/stripe-webhook/`);
  const db = connectDatabase(postgres.settings.DATABASE_URL, { poolMax: 2, applicationName: 'chaos' });
  const databaseUrl = inDatabase(postgres.adminUrl, 'booking');

  return {
    links,
    clocks,
    outputs,
    /** The service's address without the links, for actions of staff. */
    db,
    parts: { 'api-1': api1, 'api-2': api2, 'worker-1': worker1, 'worker-2': worker2, temporal, postgres },
    stripe: emulator.control,
    stripeUrl: emulator.url,
    stripeKeys: emulatorKeys,
    temporal: { address: `127.0.0.1:${temporalPort}`, namespace: 'default', taskQueue: 'bookings' },
    commitTimes: true,
    apiUrls: [links['client-api-1'], links['client-api-2']].map((link) => `http://127.0.0.1:${link.port}`),
    tokens: createAccessTokens([secretKey]),
    /** The superuser's address without the links: for the setup of a run and for the evidence. */
    query: <Row>(sql: string, values: unknown[] = []) =>
      withClient(databaseUrl, async (client) => (await client.query(sql, values)).rows as Row[]),
    /** In the database `postgres`, which no fault makes read-only. */
    administer: (sql: string) => withClient(postgres.adminUrl, (client) => client.query(sql)),
    close: async () => {
      await db.destroy();
      await Promise.all(Object.values(links).map((link) => link.close()));
      await Promise.all(Object.values(outputs).map((output) => output.close()));
    },
  };
}

export type ChaosStack = Awaited<ReturnType<typeof startChaosStack>>;
export type PartName = keyof ChaosStack['parts'];
export type LinkName = keyof ChaosStack['links'];

function settings(holdMs: number): NodeJS.ProcessEnv {
  return {
    DEBUG: 'true',
    SECRET_KEY: secretKey,
    ...emulatorKeys,
    HOLD_MINUTES: String(holdMs / 60_000),
    RECONCILE_SECONDS: '15',
    LIMIT_OPEN_HOLDS: '0',
    LIMIT_REPEATED_HOLDS: '0',
    LIMIT_REQUESTS: '0',
    LIMIT_LOGIN_FAILURES: '0',
    LIMIT_REGISTRATIONS: '0',
  };
}

function createClocks(dir: string) {
  const clocks = {
    database: createWrongClock(dir, 'database'),
    'worker-1': createWrongClock(dir, 'worker-1'),
    'worker-2': createWrongClock(dir, 'worker-2'),
  };
  return clocks satisfies Record<string, WrongClock>;
}

const openOutput = (stack: Stack, name: string) =>
  openLogOutput(stack.dataDir, name, stack.processes.logFileOf(name));

const logHas = (stack: Stack, name: string, text: string) =>
  readFileSync(stack.processes.logFileOf(name), 'utf8').includes(text);

/** Round robin, as a balancer in front of two APIs. */
function balance(ports: readonly number[]): () => number {
  let turn = 0;
  return () => ports[turn++ % ports.length] ?? 0;
}
