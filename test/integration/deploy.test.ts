import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { createStripe } from '../../core/stripe/client.ts';
import { holdQuery, paymentReceivedSignal } from '../../workflows/messages.ts';
import { bookingWorkflowId } from '../../domain/workflow-ids.ts';
import { newBooking, requestIntent } from '../factories.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { useTemporal } from '../setup/temporal.ts';
import { bundleOtherRelease } from '../workflow/other-release.ts';

let system: System;
let guest: TestUser;
const temporal = useTemporal();
let nativeConnection: NativeConnection;

beforeAll(async () => {
  system = await startSystem({ worker: false });
  guest = await system.newUser();
  nativeConnection = await NativeConnection.connect({ address: system.config.temporal.address });
});
afterAll(async () => {
  await nativeConnection.close();
  await system.stop();
});

/** temporal.api.enums.v1.PendingActivityState; a number, since the SDK's enum is a type only. */
const activityStarted: number = 2;

interface Held {
  id: number;
  ref: string;
}

/**
 * Makes holds, whose workflows start. Those that shall expire do so after `expireMs`: no worker may run when they are
 * made, so that it reads the row with the new deadline.
 */
async function book(count: number, expireMs?: number): Promise<Held[]> {
  const held: Held[] = [];
  for (let n = 0; n < count; n++) {
    const booking = await newBooking(system, guest);
    const row = system.db('bookings').where({ id: booking.id });
    if (expireMs !== undefined) {
      const soon = system.db.raw("clock_timestamp() + ? * interval '1 millisecond'", [expireMs]);
      await row.clone().update({ hold_expires_at: soon });
    }
    const [{ ref }] = await row.clone().select('ref');
    held.push({ id: booking.id, ref });
  }
  return held;
}

async function openIntent({ id }: Held): Promise<string> {
  return (await requestIntent(system, guest, id)).body.payment_intent_id;
}

const pay = async (held: Held) => system.stripe.control.pay(await openIntent(held));

const statusOf = async ({ id }: Held): Promise<string> =>
  (await system.db('bookings').where({ id }).select('status'))[0].status;

const reached = (held: Held[], status: string) =>
  until(
    `${held.length} to be ${status}`,
    async () => {
      const all = await Promise.all(held.map(statusOf));
      return all.every((one) => one === status);
    },
    40_000,
  );

const handleOf = ({ ref }: Held) => temporal.workflow.getHandle(bookingWorkflowId(ref));

/** Waits until a worker has taken the bookings up. */
const takenUp = (held: Held[]) =>
  until(
    'the workflows to be taken up',
    async () => {
      const read = (one: Held) => handleOf(one).fetchHistory();
      const histories = await Promise.all(held.map((one) => read(one).catch(() => undefined)));
      return histories.every((history) =>
        history?.events?.some((event) => event.workflowTaskCompletedEventAttributes),
      );
    },
    30_000,
  );

interface Version {
  code?: string;
  /** A release whose patches are switched off takes the old way in runs that have not taken the new one. */
  patchesOn?: boolean;
}

const workers = new Set<() => Promise<void>>();

/** Starts a worker of a version. @returns its stop */
async function deploy({ code, patchesOn = true }: Version = {}) {
  const { config, db } = system;
  const worker = await Worker.create({
    connection: nativeConnection,
    namespace: config.temporal.namespace,
    taskQueue: config.temporal.taskQueue,
    workflowBundle: code ? { code } : { codePath: inject('workflowBundle') },
    activities: createActivities({
      db,
      stripe: createStripe(config.stripe),
      log: pino({ level: 'silent' }),
      freeCancelHours: config.freeCancelHours,
    }),
    shutdownGraceTime: '10s',
    // The SDK guards changes of its own with patches too; those are not ours to switch.
    patchActivationCallback: ({ patchId }) => patchesOn || patchId.startsWith('__sdk'),
  });
  const running = worker.run();
  const stop = async () => {
    workers.delete(stop);
    worker.shutdown();
    await running;
  };
  workers.add(stop);
  return stop;
}

afterEach(async () => {
  for (const stop of workers) await stop();
});

/** Failed workflow tasks of the bookings, by their cause. */
async function taskFailures(held: Held[]): Promise<string[]> {
  const histories = await Promise.all(held.map((one) => handleOf(one).fetchHistory()));
  return histories.flatMap(({ events }) =>
    (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
      failed ? [failed.failure?.message ?? String(failed.cause)] : [],
    ),
  );
}

/** Long enough for a few deploys in between; where the machine is slower they just expire earlier. */
const someSecondsMs = 6_000;

describe('TM-11 a deploy of changed workflow code with open holds', () => {
  test('goes on, and back to the release before while its patches are off: all holds settle', async () => {
    const code = await bundleOtherRelease('later');
    const onFirst = await book(4);
    const unpaid = await book(2, someSecondsMs);
    let stop = await deploy();
    await takenUp([...onFirst, ...unpaid]);
    await stop();

    const onNext = await book(2);
    unpaid.push(...(await book(1, someSecondsMs)));
    stop = await deploy({ code, patchesOn: false });
    await takenUp([...onNext, ...unpaid]);
    const paid = [...onFirst.slice(0, 2), ...onNext.slice(0, 1)];
    for (const held of paid) await pay(held);
    await reached(paid, 'confirmed');
    await stop();

    await deploy();
    const paidLater = [...onFirst.slice(2), ...onNext.slice(1)];
    for (const held of paidLater) await pay(held);
    await reached(paidLater, 'confirmed');
    for (const held of unpaid) expect(await handleOf(held).result()).toBe('expired');
    expect(await taskFailures([...onFirst, ...onNext, ...unpaid])).toEqual([]);
  }, 90_000);

  test('with its patches on is rolled back by switching them off, not to code that does not know them', async () => {
    const code = await bundleOtherRelease('later');
    const onFirst = await book(2);
    const unpaid = await book(1, someSecondsMs);
    let stop = await deploy();
    await takenUp([...onFirst, ...unpaid]);
    await stop();

    const onNext = await book(3);
    unpaid.push(...(await book(1, someSecondsMs)));
    stop = await deploy({ code });
    await takenUp([...onNext, ...unpaid]);
    const [lost, ...others] = onNext as [Held, ...Held[]];
    const { events } = await handleOf(lost).fetchHistory();
    expect(JSON.stringify(events)).toContain('core_patch');
    await pay(others[0] as Held);
    await reached(others.slice(0, 1), 'confirmed');
    await stop();

    // What must not be done: this run has taken the new way, so its task fails, and says why.
    stop = await deploy();
    await pay(lost);
    await until('a failed task', async () => (await taskFailures([lost])).length > 0, 20_000);
    expect((await taskFailures([lost])).join()).toMatch(/nondetermin|TMPRL1100/i);
    await stop();

    await deploy({ code, patchesOn: false });
    for (const held of [...onFirst, ...others.slice(1)]) await pay(held);
    await reached([...onFirst, ...others], 'confirmed');
    // Nothing is lost: the run whose task had failed goes on, too.
    const lostGoesOn = async () => (await handleOf(lost).query(holdQuery)).status === 'confirmed';
    await until('the failed run to go on', lostGoesOn, 40_000);
    expect(await taskFailures([...onFirst, ...others])).toEqual([]);
    for (const held of unpaid) expect(await handleOf(held).result()).toBe('expired');
  }, 90_000);
});

describe('a worker that is told to stop', () => {
  test('TM-09 lets the activity that it runs finish, once, and ends with 0', async () => {
    const { config } = system;
    const [held] = (await book(1)) as [Held];
    const intentId = await openIntent(held);
    const child = spawn(process.execPath, ['--import', 'tsx', 'worker/main.ts'], {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      env: {
        PATH: process.env['PATH'],
        DEBUG: 'true',
        DATABASE_URL: config.database.url,
        TEMPORAL_ADDRESS: config.temporal.address,
        TEMPORAL_NAMESPACE: config.temporal.namespace,
        TEMPORAL_TASK_QUEUE: config.temporal.taskQueue,
        WORKFLOW_BUNDLE: inject('workflowBundle'),
        ...system.stripe.settings,
      },
      stdio: 'ignore',
    });
    try {
      await takenUp([held]);
      await system.stripe.control.setLatency(2_000);
      const event = { bookingRef: held.ref, intentId, verify: true };
      await handleOf(held).signal(paymentReceivedSignal, event);
      await until('Stripe to be asked', async () => {
        const { pendingActivities } = (await handleOf(held).describe()).raw;
        return pendingActivities?.some(({ state }) => Number(state) === activityStarted);
      });
      child.kill('SIGTERM');
      const [exitCode] = await once(child, 'exit');

      expect(exitCode).toBe(0);
      const { events } = await handleOf(held).fetchHistory();
      const verified = (events ?? []).flatMap((event) => [
        event.activityTaskScheduledEventAttributes?.activityType?.name ?? [],
        event.activityTaskStartedEventAttributes?.attempt ?? [],
        event.activityTaskCompletedEventAttributes ? 'completed' : [],
      ]);
      expect(verified.flat()).toEqual(['verifyPayment', 1, 'completed']);
    } finally {
      child.kill('SIGKILL');
      await system.stripe.control.setLatency(0);
    }
  }, 60_000);
});
