import { afterEach, beforeAll, afterAll, describe, expect, inject, test } from 'vitest';
import { findFreePort } from '../../dev/ports.ts';
import { reconcileScheduleId } from '../../domain/workflow-ids.ts';
import { type GrpcProxy, startGrpcProxy } from '../setup/grpc-proxy.ts';
import { startProxy } from '../setup/proxy.ts';
import { startSystem, type System, until } from '../setup/system.ts';
import { connectTemporal, spawnWorker, type Temporal, type WorkerProcess } from './worker-process.ts';

let system: System;
let temporal: Temporal;
let grpc: GrpcProxy;
let worker: WorkerProcess | undefined;
beforeAll(async () => {
  grpc = await startGrpcProxy(inject('temporal').address);
  system = await startSystem({ worker: false, settings: { TEMPORAL_ADDRESS: grpc.address } });
  temporal = await connectTemporal();
});
afterEach(async () => {
  await worker?.kill();
  worker = undefined;
  grpc.refuse([]);
});
afterAll(async () => {
  await temporal.stop(system.config.temporal.taskQueue);
  await system.stop();
  await grpc.stop();
});

describe('a worker that starts while Temporal', () => {
  test.each(['CreateSchedule', 'UpdateSchedule', 'DescribeSchedule'])(
    'does not serve %s yet works all the same, tells what is outstanding, and makes up for it',
    async (method) => {
      const { taskQueue, namespace } = system.config.temporal;
      const scheduleId = reconcileScheduleId(taskQueue);
      const describeSchedule = () =>
        temporal.connection.workflowService.describeSchedule({ namespace, scheduleId }).then(
          ({ schedule }) => Boolean(schedule),
          () => false,
        );
      grpc.refuse([method, 'AddSearchAttributes']);
      const METRICS_ADDRESS = `127.0.0.1:${await findFreePort()}`;
      worker = spawnWorker(system.config, system.stripe.settings, { METRICS_ADDRESS });
      const pending = async () => {
        const answer = await fetch(`http://${METRICS_ADDRESS}/metrics`).catch(() => undefined);
        const lines = (await answer?.text())?.matchAll(/^worker_setup_pending\{.*step="(\w+)".*\} (\d)$/gm);
        return Object.fromEntries([...(lines ?? [])].map(([, step, value]) => [step, Number(value)]));
      };
      const before = grpc.refusals.length;
      await until('two attempts', async () => grpc.refusals.length >= before + 4, 30_000);
      expect(await pending()).toEqual({ schedule: 1, search_attribute: 1 });
      // It takes work meanwhile.
      await until('readiness', async () => (await system.call('GET', '/readyz')).body.worker === 'ok');
      expect(worker.isRunning()).toBe(true);

      grpc.refuse([]);
      await until('the set-up', async () => (await pending())['schedule'] === 0, 20_000);
      await until('the set-up', async () => (await pending())['search_attribute'] === 0, 20_000);
      expect(await describeSchedule()).toBe(true);
      expect(await worker.terminate()).toBe(0);
    },
    90_000,
  );

  test('listens but serves nothing waits, and works once it serves', async () => {
    grpc.refuse(['GetSystemInfo', 'DescribeNamespace']);
    const before = grpc.refusals.length;
    worker = spawnWorker(system.config, system.stripe.settings);
    await until('two attempts', async () => grpc.refusals.length >= before + 2, 40_000);
    expect(worker.isRunning()).toBe(true);
    grpc.refuse([]);
    await until('the worker', async () => (await system.call('GET', '/readyz')).body.worker === 'ok', 30_000);
    expect(await worker.terminate()).toBe(0);
  }, 90_000);

  test.each(['refuse', 'freeze'] as const)(
    'is away (%s) stops when it is told to',
    async (mode) => {
      const proxy = await startProxy(inject('temporal').address);
      proxy.set(mode);
      const METRICS_ADDRESS = `127.0.0.1:${await findFreePort()}`;
      const config = { ...system.config, temporal: { ...system.config.temporal, address: proxy.address } };
      worker = spawnWorker(config, system.stripe.settings, { METRICS_ADDRESS });
      // Its metrics are served from when it listens for signals on.
      await until(
        'the start',
        () => fetch(`http://${METRICS_ADDRESS}/metrics`).then(Boolean, () => false),
        30_000,
      );
      const begun = performance.now();
      expect(await worker.terminate()).toBe(0);
      expect(performance.now() - begun).toBeLessThan(10_000);
      await proxy.stop();
    },
    60_000,
  );
});
