import { book, type Figure, format3, ms, open, format0 } from '../figure.ts';
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
    // Holds are short, so that as many end as begin.
    const settings = { HOLD_MINUTES: '1' };
    const service = await bench.service({ temporal: true, watchHeaps: true, settings });
    const series: Record<'api' | 'worker' | 'outbox', Sample[]> = { api: [], worker: [], outbox: [] };
    const begunMs = Date.now();
    const sample = async () => {
      const minutes = (Date.now() - begunMs) / 60_000;
      series.api.push({ minutes, value: residentMib(service.pids.api) });
      series.worker.push({ minutes, value: residentMib(service.pids.worker) });
      series.outbox.push({ minutes, value: await service.waiting() });
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
    const kept = (...heap: Parameters<typeof service.keptBy>): Sample[] =>
      service.keptBy(...heap).map(({ atMs, mib }) => ({ minutes: (atMs - begunMs) / 60_000, value: mib }));
    const lines = [
      lineOf('API, resident MiB', series.api, forMs),
      lineOf('worker, resident MiB', series.worker, forMs),
      lineOf('API, kept MiB', kept('api', 'main'), forMs),
      lineOf('worker, kept MiB', kept('worker', 'main'), forMs),
      lineOf('worker’s workflows, kept MiB', kept('worker', 'thread'), forMs),
      lineOf('outbox rows', series.outbox, forMs),
    ];
    return {
      tables: [
        {
          heading: `${format0(forMs / 60_000)} minutes; the first third is not counted`,
          head: ['', `medians of ${parts} parts`, 'slope a minute', '± standard error', 'flat'],
          rows: lines.map(({ what, values, slope, error, flat }) => [
            what,
            values.map(({ y }) => ms(y)).join(' '),
            ...[format3(slope), format3(error), flat ? 'yes' : 'no'],
          ]),
        },
      ],
      thresholds: lines
        .filter(({ values }) => values.length > 2)
        .map(({ what, slope, error }) => ({
          what: `soak: slope of ${what} in standard errors`,
          value: error > 0 ? slope / error : 0,
          atMost: 2,
        })),
      method:
        `${bookingsPerSecond} bookings a second that lapse after a minute and ${livesPerSecond} whole lives a second. ` +
        'Kept: the old generation of a heap after each full collection.',
    };
  },
};

interface Sample {
  minutes: number;
  value: number;
}

/** Fits a line through one value of each part: consecutive one-minute samples are not independent. */
function lineOf(what: string, samples: readonly Sample[], forMs: number) {
  // The first third is warm-up: caches fill, code is compiled, heaps grow to their size.
  const steady = samples.filter(({ minutes }) => minutes > forMs / 60_000 / 3);
  const values = partsOf(steady).map((part) => ({
    x: median(part.map(({ minutes }) => minutes)),
    y: median(part.map(({ value }) => value)),
  }));
  return { what, values, ...slopeOf(values.map(({ x, y }) => [x, y] as const)) };
}

/** Splits the samples, in order, into this many parts of equal length. */
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
