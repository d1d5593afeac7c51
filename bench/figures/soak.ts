import { book, type Figure, fine, open, whole } from '../figure.ts';
import { expectOnly, slopeOf } from '../stats.ts';
import { residentMib } from '../usage.ts';

const livesPerSecond = 3;
const bookingsPerSecond = 5;

/** A steady load for twenty minutes: memory and outbox must be flat. */
export const soak: Figure = {
  name: 'soak',
  title: 'Soak',
  fullOnly: true,
  async measure(bench) {
    const { forMs, sampleMs } = bench.sizes.soak;
    // Short holds, so that as many end as begin.
    const service = await bench.service({ temporal: true, settings: { HOLD_MINUTES: '1' } });
    const samples: { minutes: number; api: number; worker: number; outbox: number }[] = [];
    const begun = performance.now();
    const sample = async () => {
      samples.push({
        minutes: (performance.now() - begun) / 60_000,
        api: residentMib(service.pids.api),
        worker: residentMib(service.pids.worker),
        outbox: await service.waiting(),
      });
    };
    let failure: Error | undefined;
    const timer = setInterval(() => void sample().catch((error: Error) => (failure = error)), sampleMs);
    try {
      const { port, key } = service.stripe;
      const lives = {
        kind: 'life',
        port: service.port,
        tokens: service.tokens(),
        firstSlot: 4_000_000,
        stripe: { port, key },
      } as const;
      const [booked, lived] = await Promise.all([
        book(bench, service, 'api', open(bookingsPerSecond, forMs)),
        bench.side.run({ target: lives, model: open(livesPerSecond, forMs) }),
      ]);
      expectOnly('bookings', booked, 201);
      expectOnly('lives', lived, 200);
    } finally {
      clearInterval(timer);
    }
    if (failure) throw failure;
    // The first third is warming up: caches fill, code is compiled, heaps grow to their size.
    const steady = samples.filter(({ minutes }) => minutes > forMs / 60_000 / 3);
    const of = (key: 'api' | 'worker' | 'outbox') => ({
      key,
      ...slopeOf(steady.map((one) => [one.minutes, one[key]] as const)),
      from: steady[0]?.[key] ?? Number.NaN,
      to: steady.at(-1)?.[key] ?? Number.NaN,
    });
    const lines = (['api', 'worker', 'outbox'] as const).map(of);
    return {
      tables: [
        {
          heading: `${whole(forMs / 60_000)} minutes; the first third is not counted`,
          head: ['', 'from', 'to', 'slope a minute', '± standard error', 'flat'],
          rows: lines.map(({ key, from, to, slope, error, flat }) => [
            { api: 'API MiB', worker: 'worker MiB', outbox: 'outbox rows' }[key],
            ...[whole(from), whole(to), fine(slope), fine(error), flat ? 'yes' : 'no'],
          ]),
        },
      ],
      musts: lines.map(({ key, slope, error }) => ({
        what: `soak: slope of ${key} in standard errors`,
        value: error > 0 ? slope / error : 0,
        atMost: 2,
      })),
      method: `${bookingsPerSecond} bookings a second that lapse after a minute and ${livesPerSecond} whole lives a second.`,
    };
  },
};
