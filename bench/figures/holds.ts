import { setTimeout as sleep } from 'node:timers/promises';
import { book, type Bench, type Figure, ms, open } from '../figure.ts';
import { createWorkflowCounter, type Service, startFloorWorker } from '../service.ts';
import { expectOnly, percentile } from '../stats.ts';

const waitMsMax = 5 * 60_000;

/** Holds that lapse together: the delay until their slots are free. */
export const holds: Figure = {
  name: 'holds',
  title: 'Hold release',
  async measure(bench) {
    const { count, holdMinutes } = bench.sizes.holds;
    const service = await bench.service({ temporal: true, settings: { HOLD_MINUTES: String(holdMinutes) } });
    const floor = await measureTimers(bench, service);
    bench.log(`  empty timers: p99 ${ms(percentile(floor, 0.99))} ms late`);
    const ours = await measureHolds(bench, service);
    bench.log(`  holds: p99 ${ms(percentile(ours, 0.99))} ms late`);
    const row = (name: string, sorted: number[]) => [
      name,
      String(sorted.length),
      ...[0.5, 0.99, 1].map((share) => ms(percentile(sorted, share))),
    ];
    return {
      tables: [
        {
          heading: `${count} that lapse within ${bench.sizes.holds.spreadMs / 1000} s`,
          head: ['', 'count', 'p50 ms late', 'p99 ms late', 'max ms late'],
          rows: [row('empty timers', floor), row('holds', ours)],
        },
      ],
      thresholds: [
        {
          what: 'seconds that a hold is released later than an empty timer fires, p99',
          value: (percentile(ours, 0.99) - percentile(floor, 0.99)) / 1000,
          atMost: 2,
        },
      ],
      method:
        'Taken at a constant rate and left alone; lateness is the instant of the move to `expired` in the audit, less ' +
        'the deadline. The empty timer is a workflow that sleeps as long and returns how late it woke.',
    };
  },
};

async function measureTimers({ environment, load, sizes }: Bench, service: Service): Promise<number[]> {
  const { count, spreadMs, holdMinutes } = sizes.holds;
  const worker = await startFloorWorker(environment, service.temporalAddress);
  const counter = await createWorkflowCounter(service.temporalAddress);
  try {
    const { taskQueue } = worker;
    const target = {
      kind: 'timer-workflow',
      address: service.temporalAddress,
      taskQueue,
      prefix: taskQueue,
      waitMs: holdMinutes * 60_000,
    } as const;
    expectOnly('timers', await load.run({ target, model: open((count / spreadMs) * 1000, spreadMs) }), 200);
    await waitFor(
      async () =>
        (await counter.count(`TaskQueue = "${taskQueue}" AND ExecutionStatus = "Completed"`)) >= count,
    );
    const late: number[] = [];
    for (let n = 0; n < count; n += 16) {
      const some = Array.from({ length: Math.min(16, count - n) }, (_, k) =>
        counter.client.workflow.getHandle(`${taskQueue}-${n + k}`).result(),
      );
      late.push(...((await Promise.all(some)) as number[]));
    }
    return late.sort((a, b) => a - b);
  } finally {
    await counter.close();
    await worker.stop();
  }
}

async function measureHolds(bench: Bench, service: Service): Promise<number[]> {
  const { count, spreadMs } = bench.sizes.holds;
  const { rows: latest } = await service.db.query('select coalesce(max(id), 0) as id from bookings');
  const model = open((count / spreadMs) * 1000, spreadMs);
  expectOnly('bookings', await book(bench, service, 'api', model), 201);
  const lateness = `
    select extract(epoch from e.at - b.hold_expires_at)::float8 * 1000 as late
      from bookings b join booking_events e on e.booking_id = b.id and e.to_status = 'expired'
     where b.id > $1 order by 1`;
  await waitFor(async () => (await service.db.query(lateness, [latest[0].id])).rows.length >= count);
  const { rows } = await service.db.query<{ late: number }>(lateness, [latest[0].id]);
  return rows.map(({ late }) => late);
}

async function waitFor(done: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + waitMsMax;
  while (!(await done())) {
    if (Date.now() > giveUpAt) throw new Error('holds: not all in time');
    await sleep(500);
  }
}
