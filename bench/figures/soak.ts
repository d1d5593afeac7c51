import { book, type Figure, fine, open, whole } from '../figure.ts';
import { expectOnly, percentile, slopeOf } from '../stats.ts';
import { residentMib } from '../usage.ts';

const livesPerSecond = 3;
const bookingsPerSecond = 5;
const parts = 13;

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
    const lines = (['api', 'worker', 'outbox'] as const).map((key) => {
      // One value of each part: samples of one minute are neighbours and no news of each other.
      const values = partsOf(steady).map((part) => ({
        x: median(part.map(({ minutes }) => minutes)),
        y: median(part.map((one) => one[key])),
      }));
      return { key, values, ...slopeOf(values.map(({ x, y }) => [x, y] as const)) };
    });
    return {
      tables: [
        {
          heading: `${whole(forMs / 60_000)} minutes; the first third is not counted`,
          head: ['', `medians of ${parts} parts`, 'slope a minute', '± standard error', 'flat'],
          rows: lines.map(({ key, values, slope, error, flat }) => [
            { api: 'API MiB', worker: 'worker MiB', outbox: 'outbox rows' }[key],
            values.map(({ y }) => whole(y)).join(' '),
            ...[fine(slope), fine(error), flat ? 'yes' : 'no'],
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

/** The samples in so many parts of one length, in their order. */
function partsOf<T>(samples: readonly T[]): T[][] {
  const size = Math.max(1, Math.ceil(samples.length / parts));
  return Array.from({ length: Math.ceil(samples.length / size) }, (_, n) =>
    samples.slice(n * size, (n + 1) * size),
  );
}

const median = (values: readonly number[]) =>
  percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
