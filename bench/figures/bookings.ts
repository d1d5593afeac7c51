import {
  alternate,
  type Bench,
  book,
  type Chart,
  closed,
  createCpuMeter,
  type Figure,
  ms,
  open,
  ratio,
  type Table,
  format0,
} from '../figure.ts';
import type { Service } from '../service.ts';
import { expectOnly, summarise } from '../stats.ts';

const head = [
  'clients',
  'floor /s',
  'ours /s',
  'ratio',
  'floor p50 ms',
  'p50 ms',
  'floor p99 ms',
  'p99 ms',
  'floor Postgres CPU ms',
  'API + Postgres CPU ms',
];
const mostClients = 32;

/** Bookings of distinct free slots in 50 rooms. */
export const bookings: Figure = {
  name: 'bookings',
  title: 'Bookings accepted',
  async measure(bench) {
    const finding = { tables: [], thresholds: [], charts: [], method } as Awaited<
      ReturnType<Figure['measure']>
    >;
    const series: Chart['series'] = [];
    for (const temporal of [false, true]) {
      const service = await bench.service({ temporal });
      const around = temporal ? 'with Temporal, worker and relay' : 'without Temporal';
      const rows: string[][] = [];
      let capacity = 0;
      for (const clients of bench.sizes.clients) {
        const { floor, ours, cpu } = await measureClosed(bench, service, clients);
        const share = ours.perSecond / floor.perSecond;
        capacity = ours.perSecond;
        rows.push([
          String(clients),
          ...[format0(floor.perSecond), format0(ours.perSecond), ratio(share)],
          ...[ms(floor.p50), ms(ours.p50), ms(floor.p99), ms(ours.p99)],
          ...cpu,
        ]);
        if (clients === mostClients)
          finding.thresholds.push({
            what: `bookings at ${clients} clients, ${around}, of the floor`,
            value: share,
            atLeast: temporal ? 0.25 : 0.35,
          });
      }
      finding.tables.push({ heading: `Closed model, ${around}`, head, rows });
      series.push(...(await measureOpen(bench, service, capacity, around)));
      if (temporal) finding.tables.push(await measureSustained(bench, service));
    }
    finding.charts?.push({
      name: 'latency-over-load',
      title: 'Latency of a booking over load (open model)',
      xLabel: 'bookings arriving per second',
      series,
    });
    finding.tables.push({
      heading: 'Open model: latency over load',
      head: ['series', ...bench.sizes.loads.map((load) => `${load * 100} %`)],
      rows: series.map(({ label, points }) => [
        label,
        ...points.map(({ x, y }) => `${ms(y)} ms at ${format0(x)}/s`),
      ]),
    });
    return finding;
  },
};

const method =
  'Distinct free slots of 50 rooms. The floor is one frozen statement by bare pg (lock the room, insert the booking, ' +
  'insert the outbox row), in the same database, at the same concurrency, in alternating slices. With Temporal, each ' +
  'slice begins when the relay, the worker and Temporal have finished the one before; half a slice of the same load, not ' +
  'counted, goes before each of ours.';

async function measureClosed({ sizes, ...bench }: Bench, service: Service, clients: number) {
  const model = closed(clients, sizes.sliceMs);
  const all = { ...bench, sizes };
  // Warms up both: plans, connections, compiled code.
  await book(all, service, 'floor', closed(clients, sizes.sliceMs / 3));
  await book(all, service, 'api', closed(clients, sizes.sliceMs / 3));
  const [floorCpu, oursCpu] = [createCpuMeter(service, all.load), createCpuMeter(service, all.load)];
  const { floor, ours } = await alternate(
    sizes.rounds,
    async () => expectOnly('floor', await floorCpu.around(() => book(all, service, 'floor', model)), 200),
    async () => {
      // Delivering the previous slice took minutes, in which V8 discarded the compiled code of requests.
      await book(all, service, 'api', closed(clients, sizes.sliceMs / 2));
      return expectOnly('bookings', await oursCpu.around(() => book(all, service, 'api', model)), 201);
    },
    () => service.settle(),
  );
  const [summary, base] = [summarise(ours), summarise(floor)];
  bench.log(
    `  ${clients} clients: ${format0(summary.perSecond)}/s, floor ${format0(base.perSecond)}/s, p99 ${ms(summary.p99)} ms`,
  );
  return {
    floor: base,
    ours: summary,
    cpu: [floorCpu.cells()[1] ?? '', oursCpu.cells().slice(0, 2).join(' + ')],
  };
}

/** Runs longer than starts can wait: how much they slow the requests, and how far they fall behind. */
async function measureSustained(bench: Bench, service: Service): Promise<Table> {
  await service.settle();
  const { sustainedMs } = bench.sizes;
  const floor = await book(bench, service, 'floor', closed(mostClients, bench.sizes.sliceMs));
  await service.settle();
  const ours = summarise([
    expectOnly('bookings', await book(bench, service, 'api', closed(mostClients, sustainedMs)), 201),
  ]);
  const waiting = await service.waiting();
  const { perSecond } = summarise([expectOnly('floor', floor, 200)]);
  return {
    heading: `Closed model, ${mostClients} clients for ${sustainedMs / 1_000} s on end, with Temporal, worker and relay`,
    head: ['floor /s', 'ours /s', 'ratio', 'p50 ms', 'p99 ms', 'starts that wait at the end'],
    rows: [
      [
        ...[format0(perSecond), format0(ours.perSecond), ratio(ours.perSecond / perSecond)],
        ...[ms(ours.p50), ms(ours.p99), format0(waiting)],
      ],
    ],
  };
}

async function measureOpen(
  bench: Bench,
  service: Service,
  capacity: number,
  around: string,
): Promise<Chart['series']> {
  const p50 = { label: `p50 ${around}`, points: [] as { x: number; y: number }[] };
  const p99 = { label: `p99 ${around}`, points: [] as { x: number; y: number }[] };
  for (const load of bench.sizes.loads) {
    const perSecond = Math.max(1, Math.round(capacity * load));
    await service.settle();
    const result = await book(
      bench,
      service,
      'api',
      open(perSecond, Math.max(bench.sizes.sliceMs, (5 / perSecond) * 1000)),
    );
    const summary = summarise([expectOnly('bookings', result, 201)]);
    p50.points.push({ x: perSecond, y: summary.p50 });
    p99.points.push({ x: perSecond, y: summary.p99 });
  }
  return [p50, p99];
}
