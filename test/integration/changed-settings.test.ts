import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type RunningServer, startServer } from '../../api/server.ts';
import type { Config } from '../../config.ts';
import { rows } from '../../db/knex.ts';
import { bootService } from '../setup/service-process.ts';
import { until } from '../setup/system.ts';
import { type Payments, startPayments } from './payment-kit.ts';
import { makeNamespace } from './restore-kit.ts';
import { connectTemporal, type Temporal } from './worker-process.ts';

let payments: Payments;
let temporalClient: Temporal;
beforeAll(async () => {
  temporalClient = await connectTemporal();
  payments = await startPayments({ worker: false, settings: { FREE_CANCEL_HOURS: '24' } });
});
afterAll(async () => {
  await temporalClient.connection.close();
  await payments.stop();
});

interface Started extends RunningServer {
  log: () => string;
}

/** Starts an API on the same database with settings that differ, as a restart does. */
async function restart(differing: Partial<Config>): Promise<Started> {
  let log = '';
  const config = {
    ...payments.system.config,
    ...differing,
    http: { ...payments.system.config.http, port: 0 },
  };
  const server = await startServer(config, pino({}, { write: (line) => (log += line) }));
  return { ...server, log: () => log };
}

const openFlags = () =>
  rows<{ subject: string; detail: string }>(
    payments.db,
    `select subject, detail from flags where kind = 'setting_changed' and resolved_at is null order by id`,
  );
const settingOf = async (name: string) =>
  (
    await rows<{ value: string }>(payments.db, 'select value from deployment_settings where name = ?', [name])
  )[0]?.value;
const ask = async (server: RunningServer, path: string) =>
  (await fetch(`http://127.0.0.1:${server.port}${path}`)).json();

async function cancel(server: RunningServer, id: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${server.port}/api/bookings/${id}/cancel/`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${payments.guest.token}`, 'Content-Type': 'application/json' },
    body: '{}',
  });
  return answer.status;
}

describe('a setting that open bookings depend on', () => {
  test('is remembered at the first start, and the same value again says nothing', async () => {
    await until('the first values', async () => (await settingOf('FREE_CANCEL_HOURS')) === '24');
    expect(await settingOf('STRIPE_SECRET_KEY')).toBe('emulator');
    const again = await restart({});
    await again.stop();
    expect(await openFlags()).toEqual([]);
    expect(again.log()).not.toContain('A setting has changed');
  });

  test('the hours of free cancellation: the change is reported in the log and by a flag, once', async () => {
    const servers = await Promise.all([restart({ freeCancelHours: 48 }), restart({ freeCancelHours: 48 })]);
    await until('the flag', async () => (await openFlags()).length > 0);
    await Promise.all(servers.map((server) => server.stop()));
    const flags = await openFlags();
    expect(flags).toHaveLength(1);
    expect(flags[0]?.subject).toMatch(/^FREE_CANCEL_HOURS /);
    expect(flags[0]?.detail).toContain('It was 24 and is 48.');
    const warnings = servers.map((server) => server.log().split('A setting has changed').length - 1);
    expect(warnings.reduce((sum, count) => sum + count)).toBe(1);
    await rows(
      payments.db,
      `update flags set resolved_at = now() where kind = 'setting_changed' returning id`,
    );
  });

  test('the mode of Stripe: /readyz is degraded until the flag is resolved', async () => {
    const { stripe } = payments.system.config;
    const server = await restart({ stripe: { ...stripe, isEmulated: false, livemode: true } });
    await until('the flag', async () => (await openFlags()).length > 0);
    expect(await ask(server, '/readyz')).toMatchObject({ status: 'degraded', settings: 'degraded' });
    expect((await openFlags())[0]?.detail).toContain('It was emulator and is live mode.');
    await rows(
      payments.db,
      `update flags set resolved_at = now() where kind = 'setting_changed' returning id`,
    );
    expect(await ask(server, '/readyz')).toMatchObject({ settings: 'ok' });
    await server.stop();
  });
});

describe('bookings that are open when', () => {
  test.each([
    ['the task queue', async () => ({ taskQueue: `test-${randomUUID()}` })],
    [
      'the namespace',
      async () => {
        const namespace = `changed-${randomUUID()}`;
        await makeNamespace(namespace);
        return { namespace };
      },
    ],
  ])(
    '%s changes can be cancelled as before',
    async (_, change) => {
      const { system } = payments;
      const worker = bootWorker({});
      const held = await payments.hold();
      await until('its workflow to run', () => isRunning(held.ref), 60_000);
      worker.child.kill('SIGTERM');
      await worker.ended;
      const temporal = { ...system.config.temporal, ...(await change()) };
      const server = await restart({ temporal });
      const fresh = bootWorker(temporal);
      try {
        const status = async () => (await cancel(server, held.id)) === 200;
        await until('the cancellation', status, 60_000);
        const [row] = await rows<{ status: string }>(
          payments.db,
          'select status from bookings where id = ?',
          [held.id],
        );
        expect(row?.status).toBe('cancelled');
      } finally {
        fresh.child.kill('SIGTERM');
        await Promise.all([fresh.ended, server.stop()]);
      }
    },
    180_000,
  );
});

/** Has a worker begun with the workflow of this booking? Only then has Temporal tied it to its task queue. */
async function isRunning(ref: string): Promise<boolean> {
  const [booking] = await rows<{ workflow_id: string }>(
    payments.db,
    'select workflow_id from bookings where ref = ?',
    [ref],
  );
  const described = await temporalClient.workflow
    .getHandle(booking?.workflow_id ?? '')
    .describe()
    .catch(() => undefined);
  return (described?.historyLength ?? 0) > 4;
}

/** A worker as a process, as in production. */
function bootWorker(temporal: Partial<Config['temporal']>) {
  const { system } = payments;
  const { address, namespace, taskQueue } = { ...system.config.temporal, ...temporal };
  return bootService(
    'worker/main.ts',
    {
      DEBUG: 'true',
      DATABASE_URL: system.config.database.url,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_TASK_QUEUE: taskQueue,
      WORKFLOW_BUNDLE: inject('workflowBundle'),
      RECONCILE_SECONDS: '3600',
      ...system.stripe.settings,
    },
    'ignore',
  );
}
