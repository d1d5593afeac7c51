import { randomBytes } from 'node:crypto';
import type { emulatorKeys } from 'stripe-emulator';
import { migrate } from '../../db/migrate.ts';
import { inDatabase, withClient } from '../../dev/databases.ts';
import { findFreePort } from '../../dev/ports.ts';
import { bareEnvironment } from '../../dev/processes/node-process.ts';
import { type Stack as Processes, startTemporaryStack } from '../../dev/stack.ts';
import { writeWorkflowBundle } from '../../dev/workflow-bundle.ts';
import { createAccessTokens } from '../../http/auth/access-tokens.ts';
import { startNginx } from './nginx.ts';
import { startTemporalCluster } from './temporal.ts';
import type { Tools } from './tools.ts';

const taskQueue = 'bookings';

export interface StackOptions {
  holdMs: number;
  tools: Tools;
  log: (line: string) => void;
  /** Leave the directory with the logs behind. */
  keep: boolean;
}

/**
 * The service in production form, as docs/operations.md describes it without containers: Postgres, Temporal on it, nginx
 * with HTTPS, two APIs, two workers, each a process of its own that a supervisor starts again. In Stripe's place stands
 * the emulator, with keys that are not public. Everything listens on 127.0.0.1, on free ports.
 */
export function startStack({ holdMs, tools, log, keep }: StackOptions) {
  return startTemporaryStack(
    { name: 'rehearsal', log, announce: () => {}, restart: true, keep },
    async (processes) => ({
      ...(await startParts(processes, { holdMs, tools, log })),
      dir: processes.dataDir,
    }),
  );
}

export type Stack = Awaited<ReturnType<typeof startStack>>;
export type PartName = keyof Stack['parts'];

async function startParts(processes: Processes, { holdMs, tools, log }: Omit<StackOptions, 'keep'>) {
  log('Postgres …');
  const postgres = await processes.startPostgres({ settings: { track_commit_timestamp: 'on' } });
  await migrate(postgres.settings.MIGRATE_DATABASE_URL, { appUrl: postgres.settings.DATABASE_URL });
  log('Temporal, its schema and its namespace …');
  const temporal = await startTemporalCluster({ processes, postgresUrl: postgres.adminUrl, tools });
  log('nginx, the Stripe emulator, two APIs, two workers …');
  const apiPorts = [await findFreePort(), await findFreePort()] as const;
  const nginx = await startNginx({ processes, apiPorts, tools });
  const secrets = makeSecrets();
  const emulator = await processes.startStripe({
    webhookUrl: `${nginx.plainUrl}/api/stripe-webhook/`,
    keys: secrets.stripe,
  });
  const env = {
    ...bareEnvironment(),
    ...postgres.settings,
    ...emulator.settings,
    ...secrets.own,
    TEMPORAL_ADDRESS: temporal.address,
    WORKFLOW_BUNDLE: await writeWorkflowBundle(processes.dataDir),
    TRUST_PROXY_HOPS: '1',
    HOLD_MINUTES: String(holdMs / 60_000),
    RECONCILE_SECONDS: '15',
  };
  const [api1, api2, worker1, worker2] = await Promise.all([
    processes.startApi({ name: 'api-1', port: apiPorts[0], env }),
    processes.startApi({ name: 'api-2', port: apiPorts[1], env }),
    processes.startWorker({ name: 'worker-1', env }),
    processes.startWorker({ name: 'worker-2', env }),
  ]);
  const databaseUrl = inDatabase(postgres.adminUrl, 'booking');
  return {
    url: nginx.url,
    ca: nginx.ca,
    apiUrls: apiPorts.map((port) => `http://127.0.0.1:${port}`),
    parts: {
      ...{ 'api-1': api1, 'api-2': api2, 'worker-1': worker1, 'worker-2': worker2 },
      ...{ nginx, stripe: emulator, temporal, postgres },
    },
    /** Here beside the parts, since it can be taken away and brought back. */
    cluster: temporal,
    temporal: { address: temporal.address, namespace: temporal.namespace, taskQueue },
    commitTimes: true,
    stripe: emulator.control,
    stripeUrl: emulator.url,
    stripeKeys: secrets.stripe,
    tokens: createAccessTokens([secrets.own.SECRET_KEY]),
    /** As the superuser: for what a run begins with, and for the evidence. */
    query: <Row>(sql: string, values: unknown[] = []) =>
      withClient(databaseUrl, async (client) => (await client.query(sql, values)).rows as Row[]),
  };
}

/** As an operator makes them (docs/operations.md), and keys that the emulator takes as its own. */
function makeSecrets() {
  const secret = () => randomBytes(24).toString('hex');
  const stripe: typeof emulatorKeys = {
    STRIPE_SECRET_KEY: `sk_test_${secret()}`,
    STRIPE_PUBLISHABLE_KEY: `pk_test_${secret()}`,
    STRIPE_WEBHOOK_SECRET: `whsec_${secret()}`,
  };
  const own = {
    SECRET_KEY: randomBytes(48).toString('base64'),
    CLEANUP_TOKEN: secret(),
    METRICS_TOKEN: secret(),
  };
  return { stripe, own };
}
