import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { parse } from 'yaml';
import { rows } from '../../db/knex.ts';
import { findFreePort } from '../../dev/ports.ts';
import { projectDir } from '../../dev/project-dir.ts';
import { bookingWorkflowId } from '../../domain/workflow-ids.ts';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import { type Proxy, startProxy } from '../setup/proxy.ts';
import { until } from '../setup/system.ts';
import { bundleOtherRelease } from '../workflow/other-release.ts';
import { type PaidFor, type Payments, startPayments } from './payment-kit.ts';
import { connectTemporal, spawnWorker, type Temporal, type WorkerProcess } from './worker-process.ts';

let payments: Payments;
let temporal: Temporal;
let proxy: Proxy;
let dir: string;
/** Stops whatever worker a test has left. */
let stopWorker = async () => {};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'worker-trouble-'));
  proxy = await startProxy(inject('temporal').address);
  payments = await startPayments({ worker: false, settings: { TEMPORAL_ADDRESS: proxy.address } });
  temporal = await connectTemporal();
});
afterEach(async () => {
  proxy.set('forward');
  vi.restoreAllMocks();
  await stopWorker();
  stopWorker = async () => {};
});
afterAll(async () => {
  await temporal.stop(payments.system.config.temporal.taskQueue);
  await payments.stop();
  await proxy.stop();
  rmSync(dir, { recursive: true, force: true });
});

const readyz = async () => (await payments.call('GET', '/readyz')).body;

async function startHere() {
  const worker = await payments.system.startWorker();
  stopWorker = () => worker.stop();
}

/** A worker process that shows its figures. */
async function startWithMetrics(settings: Record<string, string> = {}) {
  const { config, stripe } = payments.system;
  const METRICS_ADDRESS = `127.0.0.1:${await findFreePort()}`;
  const worker: WorkerProcess = spawnWorker(config, stripe.settings, { METRICS_ADDRESS, ...settings });
  stopWorker = () => worker.kill();
  return {
    /** The lines of one figure. */
    figure: async (name: string): Promise<string[]> => {
      const answer = await fetch(`http://${METRICS_ADDRESS}/metrics`).catch(() => undefined);
      return ((await answer?.text()) ?? '').split('\n').filter((line) => line.startsWith(`${name}{`));
    },
  };
}

const sumOf = (lines: string[]) => lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);

/** The expression of an example alert. */
function expressionOf(alert: string): string | undefined {
  const text = readFileSync(join(projectDir, 'ops/prometheus/alerts.yml'), 'utf8');
  const { groups } = parse(text) as { groups: { rules: { alert: string; expr: string }[] }[] };
  return groups.flatMap(({ rules }) => rules).find((rule) => rule.alert === alert)?.expr;
}

describe('a build whose workflows do not replay', () => {
  const handleOf = ({ ref }: PaidFor) => temporal.workflow.getHandle(bookingWorkflowId(ref));
  const statusOf = async (held: PaidFor) => (await handleOf(held).describe()).status.name;
  const takenUp = async (held: PaidFor) => {
    const history = await handleOf(held)
      .fetchHistory()
      .catch(() => undefined);
    return history?.events?.some((event) => event.workflowTaskCompletedEventAttributes);
  };
  const taskFailureOf = async (held: PaidFor) => {
    const { events } = await handleOf(held).fetchHistory();
    return events?.find((event) => event.workflowTaskFailedEventAttributes)?.workflowTaskFailedEventAttributes
      ?.failure?.message;
  };
  const lapse = ({ id }: PaidFor, lateMs: number) =>
    rows(
      payments.db,
      `update bookings set hold_expires_at = clock_timestamp() - ? * interval '1 millisecond' where id = ?`,
      [lateMs, id],
    );
  const endOf = async ({ id, intentId }: PaidFor) => {
    const [last] = await rows<{ actor: string }>(
      payments.db,
      `select actor from booking_events where booking_id = ? and to_status = 'expired'`,
      [id],
    );
    return { by: last?.actor, intent: (await payments.ledgerOf(intentId)).status };
  };

  test('TM-12 fails tasks, which its metrics show, and no workflow; the holds end in time without it', async () => {
    const code = await bundleOtherRelease('waits-at-start');
    const WORKFLOW_BUNDLE = join(dir, 'incompatible.js');
    writeFileSync(WORKFLOW_BUNDLE, code);

    await startHere();
    const left = await payments.holdToPay();
    const wanted = await payments.holdToPay();
    for (const held of [left, wanted]) await until('the start', () => takenUp(held));
    await stopWorker();

    const { figure } = await startWithMetrics({ WORKFLOW_BUNDLE });
    for (const held of [left, wanted]) {
      const event = { bookingRef: held.ref, intentId: held.intentId, verify: true };
      await handleOf(held).signal(paymentReceivedSignal, event);
    }
    const failures = async () => {
      const lines = await figure('temporal_workflow_task_execution_failed');
      return sumOf(lines.filter((line) => line.includes('workflow_type="bookingWorkflow"')));
    };
    await until('failed tasks', async () => (await failures()) >= 2, 40_000);
    expect(expressionOf('WorkflowTasksFail')).toContain('temporal_workflow_task_execution_failed{');
    for (const held of [left, wanted]) {
      const message = await until('its failed task', () => taskFailureOf(held), 40_000);
      expect(message).toMatch(/nondetermin|TMPRL1100/i);
    }

    await lapse(wanted, 0);
    expect((await payments.askForHold(wanted.roomId)).status).toBe(201);
    expect(await endOf(wanted)).toEqual({ by: 'collision', intent: 'canceled' });
    await lapse(left, 5_000);
    await payments.untilStatus(left.id, 'expired');
    expect(await endOf(left)).toEqual({ by: 'sweeper', intent: 'canceled' });
    expect((await payments.askForHold(left.roomId)).status).toBe(201);
    expect(await Promise.all([left, wanted].map(statusOf))).toEqual(['RUNNING', 'RUNNING']);

    await stopWorker();
    await startHere();
    for (const held of [left, wanted]) {
      await until('the workflow to end', async () => (await statusOf(held)) === 'COMPLETED', 40_000);
      expect(await handleOf(held).result()).toBe('expired');
    }
  }, 120_000);
});

describe('signs of waiting work', () => {
  const oldestSeconds = async () => {
    const { body } = await payments.call('GET', '/metrics');
    return Number(/^outbox_oldest_seconds (\S+)$/m.exec(body)?.[1]);
  };

  test('TM-17 /readyz is degraded when no worker has asked for work for a minute and a half', async () => {
    await startHere();
    await until('readiness', async () => (await readyz()).status === 'ok');
    await stopWorker();
    stopWorker = async () => {};
    // A restart needs no alert.
    expect(await readyz()).toMatchObject({ status: 'ok', worker: 'ok' });
    const now = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => now() + 91_000);
    expect(await readyz()).toMatchObject({ status: 'degraded', worker: 'degraded', temporal: 'ok' });
  });

  test('TM-17 the age of messages that wait for Temporal rises in /metrics until Temporal is back', async () => {
    proxy.set('refuse');
    await payments.hold();
    await until('an age', async () => (await oldestSeconds()) > 0.5);
    const before = await oldestSeconds();
    await until('a greater age', async () => (await oldestSeconds()) > before + 0.5);
    proxy.set('forward');
    await until('the end of the wait', async () => (await oldestSeconds()) === 0, 15_000);
    expect(expressionOf('OutboxWaits')).toContain('outbox_oldest_seconds{');
  });

  test('TM-17 the worker that takes tasks exports how long they waited', async () => {
    await payments.hold();
    await payments.untilCarried();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { figure } = await startWithMetrics();
    const name = 'temporal_workflow_task_schedule_to_start_latency_bucket';
    const taken = (le: string) =>
      figure(name).then((lines) => sumOf(lines.filter((line) => line.includes(le))));
    await until('a task to be taken', async () => (await taken('le="+Inf"')) > 0, 40_000);
    expect(await taken('le="+Inf"')).toBeGreaterThan(await taken('le="1000"'));
    expect(expressionOf('WorkerSlow')).toContain(`${name}{`);
  });
});
