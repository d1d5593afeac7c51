import { type Bench, closed, type Figure, ms, open, ratio, format0 } from '../figure.ts';
import { insertHolds } from '../seed.ts';
import type { Service } from '../service.ts';
import { expectOnly, summarise } from '../stats.ts';

const latencies = [0, 250];

/** PaymentIntents, with a Stripe that answers at once and one that takes a quarter of a second. */
export const intents: Figure = {
  name: 'intents',
  title: 'Payment intents',
  async measure(bench) {
    const service = await bench.service({ temporal: true });
    const rows: string[][] = [];
    const beside: string[][] = [];
    const quiet = await probe(bench, service);
    beside.push(['nothing', format0(quiet.perSecond), ms(quiet.p50), ms(quiet.p99), '1.00']);
    for (const latencyMs of latencies) {
      await service.stripe.control.setLatency(latencyMs);
      for (const clients of [8, 32]) {
        const { ours, probed } = await measureAt(bench, service, clients);
        const bound = latencyMs > 0 ? (clients * 1000) / latencyMs : Number.NaN;
        rows.push([
          ...[String(latencyMs), String(clients), format0(bound), format0(ours.perSecond)],
          ...[ratio(ours.perSecond / bound), ms(ours.p50), ms(ours.p99)],
        ]);
        beside.push([
          `${clients} clients, Stripe at ${latencyMs} ms`,
          ...[format0(probed.perSecond), ms(probed.p50), ms(probed.p99), ratio(probed.p99 / quiet.p99)],
        ]);
        bench.log(`  Stripe at ${latencyMs} ms, ${clients} clients: ${format0(ours.perSecond)}/s`);
      }
    }
    await service.stripe.control.setLatency(0);
    return {
      tables: [
        {
          heading: 'Closed model',
          head: ['Stripe ms', 'clients', 'clients ÷ latency /s', 'ours /s', 'ratio', 'p50 ms', 'p99 ms'],
          rows,
        },
        {
          heading: 'Other requests meanwhile (GET /api/rooms/, open model)',
          head: ['beside', '/s', 'p50 ms', 'p99 ms', 'p99 of quiet'],
          rows: beside,
        },
      ],
      thresholds: [],
      method: 'Each is the first of its booking. At 250 ms the bound is clients ÷ 0.25 s.',
    };
  },
};

async function measureAt({ sizes, load, side }: Bench, service: Service, clients: number) {
  const count = sizes.intentsPerSlice;
  const bookings = await insertHolds(service.db, service.takeSlots(count), count);
  const tokens = service.tokens();
  const target = {
    kind: 'payment-intent',
    port: service.port,
    bookings: bookings.map(({ id, userId }) => ({ id, token: tokens[userId - 1] as string })),
  } as const;
  const [result, probed] = await Promise.all([
    load.run({ target, model: closed(clients, sizes.sliceMs * 2) }),
    side.run(probeJob(service, sizes.sliceMs)),
  ]);
  return {
    ours: summarise([expectOnly('payment intents', result, 201)]),
    probed: summarise([expectOnly('rooms beside', probed, 200)]),
  };
}

const probeJob = ({ port }: Service, forMs: number) => ({
  target: { kind: 'get' as const, port, requests: [{ path: '/api/rooms/' }] },
  model: open(50, forMs),
});

async function probe({ side, sizes }: Bench, service: Service) {
  await side.run(probeJob(service, sizes.sliceMs / 3));
  return summarise([expectOnly('rooms', await side.run(probeJob(service, sizes.sliceMs)), 200)]);
}
