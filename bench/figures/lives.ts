import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, closed, format3, type Figure, ratio } from '../figure.ts';
import { createWorkflowCounter, type Service, startFloorWorker } from '../service.ts';
import { expectOnly } from '../stats.ts';
import { cpuMs } from '../usage.ts';

const clients = 16;
const waitMsMax = 5 * 60_000;

/** Whole lives: book → pay → confirmed. Beside them the smallest workflow: start, one signal, return. */
export const lives: Figure = {
  name: 'lives',
  title: 'Whole lives through Temporal',
  async measure(bench) {
    const service = await bench.service({ temporal: true });
    const floorWorker = await startFloorWorker(bench.environment, service.temporalAddress);
    const counter = await createWorkflowCounter(service.temporalAddress);
    try {
      const spent = { floor: 0, ours: 0 };
      const cpu = {
        floorTemporal: 0,
        floorWorker: 0,
        api: 0,
        worker: 0,
        temporal: 0,
        postgres: 0,
        stripe: 0,
      };
      const count = bench.sizes.lives;
      for (let round = 0; round < bench.sizes.rounds; round++) {
        await service.settle();
        const before = { temporal: service.cpu().temporal, worker: cpuMs(floorWorker.pid) };
        spent.floor += await runSmallest(bench, service, floorWorker.taskQueue, counter.count, round);
        cpu.floorTemporal += service.cpu().temporal - before.temporal;
        cpu.floorWorker += cpuMs(floorWorker.pid) - before.worker;
        await service.settle();
        const oursBefore = service.cpu();
        spent.ours += await runLives(bench, service);
        const after = service.cpu();
        for (const part of ['api', 'worker', 'temporal', 'postgres', 'stripe'] as const)
          cpu[part] += after[part] - oursBefore[part];
        bench.log(`  round ${round + 1}: done`);
      }
      const n = count * bench.sizes.rounds;
      const each = Object.fromEntries(Object.entries(cpu).map(([part, used]) => [part, used / n]));
      const perSecond = { floor: (n / spent.floor) * 1000, ours: (n / spent.ours) * 1000 };
      const cells = (...values: (number | undefined)[]) =>
        values.map((value) => format3(value ?? Number.NaN));
      return {
        tables: [
          {
            heading: `${clients} clients, ${n} of each`,
            head: ['', '/s', 'API ms CPU', 'worker', 'Temporal', 'Postgres', 'Stripe emulator'],
            rows: [
              [
                'smallest workflow',
                ...cells(perSecond.floor),
                '–',
                ...cells(each['floorWorker'], each['floorTemporal']),
                '–',
                '–',
              ],
              [
                'whole life',
                ...cells(
                  perSecond.ours,
                  each['api'],
                  each['worker'],
                  each['temporal'],
                  each['postgres'],
                  each['stripe'],
                ),
              ],
              ['ratio', ratio(perSecond.ours / perSecond.floor), '', '', '', '', ''],
            ],
          },
        ],
        thresholds: [
          {
            what: 'whole lives of the smallest workflow’s rate',
            value: perSecond.ours / perSecond.floor,
            atLeast: 0.6,
          },
        ],
        method:
          'From the first request until the last is confirmed (the last smallest workflow is completed). CPU is from ' +
          '/proc, divided by the lives. The customer pays at the emulator, whose webhook tells of it.',
      };
    } finally {
      await counter.close();
      await floorWorker.stop();
    }
  },
};

async function runSmallest(
  { load, sizes }: Bench,
  { temporalAddress: address }: Service,
  taskQueue: string,
  count: (query: string) => Promise<number>,
  round: number,
): Promise<number> {
  const done = () => count(`TaskQueue = "${taskQueue}" AND ExecutionStatus = "Completed"`);
  const begun = performance.now();
  const target = { kind: 'smallest-workflow', address, taskQueue, prefix: `${taskQueue}-${round}` } as const;
  expectOnly(
    'smallest workflows',
    await load.run({ target, model: closed(clients, waitMsMax, sizes.lives) }),
    200,
  );
  await waitFor('smallest workflows', async () => (await done()) >= (round + 1) * sizes.lives);
  return performance.now() - begun;
}

async function runLives({ load, sizes }: Bench, service: Service): Promise<number> {
  const confirmed = async (): Promise<number> =>
    (await service.db.query(`select count(*)::int as n from bookings where status = 'confirmed'`)).rows[0].n;
  const before = await confirmed();
  const firstSlot = service.takeSlots(sizes.lives);
  const tokens = service.tokens();
  const begun = performance.now();
  const target = { kind: 'life', port: service.port, tokens, firstSlot, stripe: service.stripe } as const;
  const { port, key } = service.stripe;
  const job = {
    target: { ...target, stripe: { port, key } },
    model: closed(clients, waitMsMax, sizes.lives),
  };
  expectOnly('lives', await load.run(job), 200);
  await waitFor('confirmations', async () => (await confirmed()) >= before + sizes.lives);
  return performance.now() - begun;
}

async function waitFor(what: string, done: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + waitMsMax;
  while (!(await done())) {
    if (Date.now() > giveUpAt) throw new Error(`${what}: not all in time`);
    await sleep(50);
  }
}
