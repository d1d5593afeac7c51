import { type Bench, book, closed, type Figure, ms, open, ratio, format0 } from '../figure.ts';
import type { JobResult, Target } from '../load/job.ts';
import { createWorkflowCounter, type Service } from '../service.ts';
import { expectOnly, summarise } from '../stats.ts';

const clients = 32;
const probePerSecond = 50;
const probeMs = 2_000;
const catchUpMsMax = 10 * 60_000;

/** A burst of bookings: its effect on other requests, and the time until every workflow runs. */
export const backlog: Figure = {
  name: 'backlog',
  title: 'A burst and its backlog',
  async measure(bench) {
    const count = bench.sizes.backlog;
    const alone = await bench.service({ temporal: false });
    await probe(bench, alone, 300);
    const without = await burst(bench, alone, count);
    const service = await bench.service({ temporal: true });
    const counter = await createWorkflowCounter(service.temporalAddress);
    try {
      await book(bench, service, 'api', closed(clients, 1_000, 200));
      await service.settle();
      const isBooking = 'WorkflowType = "bookingWorkflow"';
      const before = await counter.count(isBooking);
      const quiet = summarise([await probe(bench, service, bench.sizes.sliceMs)]);
      const begun = performance.now();
      const during = await burst(bench, service, count);
      const burstMs = performance.now() - begun;
      const behind: JobResult[] = [];
      let started = 0;
      while ((started = (await counter.count(isBooking)) - before) < count) {
        if (performance.now() - begun > catchUpMsMax) break;
        behind.push(await probe(bench, service, Math.min(probeMs, bench.sizes.sliceMs)));
      }
      const allRunMs = performance.now() - begun;
      const catchUp = behind.length > 0 ? summarise(behind) : quiet;
      bench.log(
        `  ${count} taken in ${ms(burstMs / 1000)} s, all workflows run after ${ms(allRunMs / 1000)} s`,
      );
      const row = (name: string, { perSecond, p50, p99, max }: ReturnType<typeof summarise>) => [
        ...[name, format0(perSecond), ms(p50), ms(p99), ms(max)],
      ];
      return {
        tables: [
          {
            heading: `${count} bookings by ${clients} clients, and a probe of ${probePerSecond} reads a second`,
            head: ['', '/s', 'p50 ms', 'p99 ms', 'max ms'],
            rows: [
              row('the burst’s bookings', during.bookings),
              row('the same burst without Temporal', without.bookings),
              row('probe, quiet', quiet),
              row('probe, during the burst', during.probe),
              row('probe, during the same burst without Temporal', without.probe),
              row('probe, while the backlog is worked off', catchUp),
            ],
          },
          {
            heading: 'Backlog',
            head: ['taken in s', 'every workflow runs after s', 'workflows started /s', 'not started'],
            rows: [
              [
                ms(burstMs / 1000),
                ms(allRunMs / 1000),
                format0((started / allRunMs) * 1000),
                format0(count - started),
              ],
            ],
          },
        ],
        thresholds: [
          { what: 'bookings without a workflow in the end', value: count - started, atMost: 0 },
          {
            what: 'p99 of the burst’s bookings over the same burst without Temporal',
            value: during.bookings.p99 / without.bookings.p99,
            atMost: 2,
          },
          { what: 'minutes until every workflow runs', value: allRunMs / 60_000, atMost: 5 },
        ],
        method:
          'The probe is GET of one booking, open model, by a second generator. Every accepted booking’s workflow is counted ' +
          `at Temporal. Burst with over without Temporal, p99: ${ratio(during.bookings.p99 / without.bookings.p99)}. ` +
          `Probe while the backlog is worked off over quiet, p99: ${ratio(catchUp.p99 / quiet.p99)}.`,
      };
    } finally {
      await counter.close();
    }
  },
};

async function burst(bench: Bench, service: Service, count: number) {
  const [bookings, probed] = await Promise.all([
    book(bench, service, 'api', closed(clients, catchUpMsMax, count)),
    probe(bench, service, Math.max(300, count * 1.2)),
  ]);
  return {
    bookings: summarise([expectOnly('burst', bookings, 201)]),
    probe: summarise([probed]),
  };
}

async function probe({ side }: Bench, service: Service, forMs: number): Promise<JobResult> {
  const { rows } = await service.db.query('select max(id) as id from bookings');
  const staff = service.tokens().at(-1) as string;
  const path = rows[0].id === null ? '/api/rooms/' : `/api/bookings/${rows[0].id}/`;
  const target: Target = { kind: 'get', port: service.port, requests: [{ path, token: staff }] };
  return expectOnly('probe', await side.run({ target, model: open(probePerSecond, forMs) }), 200);
}
