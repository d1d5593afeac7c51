import type { Generator } from './generator.ts';
import type { Environment } from './environment.ts';
import type { JobResult, Model, Target } from './load/job.ts';
import type { Service, ServiceOptions } from './service.ts';
import type { Sizes } from './sizes.ts';
import { cpuMs } from './usage.ts';

export interface Table {
  heading: string;
  head: string[];
  rows: string[][];
}

/** A threshold, as a ratio within one run. */
export interface Threshold {
  what: string;
  value: number;
  atLeast?: number;
  atMost?: number;
}

/** Latency over load: one line for each series. */
export interface Chart {
  name: string;
  title: string;
  xLabel: string;
  series: { label: string; points: { x: number; y: number }[] }[];
}

export interface Finding {
  tables: Table[];
  thresholds: Threshold[];
  charts?: Chart[];
  /** How it was measured, in a sentence or two. */
  method: string;
}

/** The dependencies of a figure. */
export interface Bench {
  environment: Environment;
  sizes: Sizes;
  /** The load generator, and a second one for load in the background. */
  load: Generator;
  side: Generator;
  /** A fresh service, stopped after the figure; `--short` hands the same one on to the next figure. */
  service: (options: ServiceOptions) => Promise<Service>;
  log: (line: string) => void;
}

export interface Figure {
  name: string;
  title: string;
  /** Only when named or with --full: it takes too long. */
  fullOnly?: boolean;
  measure(bench: Bench): Promise<Finding>;
}

/** Runs `rounds` slices of each, alternately, so that passing noise affects both. `settle` runs before every slice. */
export async function alternate(
  rounds: number,
  floor: (round: number) => Promise<JobResult>,
  ours: (round: number) => Promise<JobResult>,
  settle: () => Promise<void> = async () => {},
): Promise<{ floor: JobResult[]; ours: JobResult[] }> {
  const results = { floor: [] as JobResult[], ours: [] as JobResult[] };
  for (let round = 0; round < rounds; round++) {
    await settle();
    results.floor.push(await floor(round));
    await settle();
    results.ours.push(await ours(round));
  }
  return results;
}

/** CPU milliseconds used by the slices, by part: these hardly depend on what else uses the cores. */
export function createCpuMeter(service: Service, load: Generator) {
  const read = () => ({ ...service.cpu(), generator: cpuMs(load.pid) });
  const sums = { api: 0, worker: 0, temporal: 0, postgres: 0, generator: 0, answers: 0 };
  return {
    async around(run: () => Promise<JobResult>): Promise<JobResult> {
      const before = read();
      const result = await run();
      const after = read();
      for (const part of ['api', 'worker', 'temporal', 'postgres', 'generator'] as const)
        sums[part] += after[part] - before[part];
      sums.answers += result.latenciesMs.length;
      return result;
    },
    /** API, Postgres and load generator, in milliseconds for each answer. */
    cells: () => [sums.api, sums.postgres, sums.generator].map((sum) => (sum / sums.answers).toFixed(2)),
  };
}

const slotsAtATime = 200_000;

/** Runs a job that books unused slots, through the API or by the floor's statement. */
export async function book(
  bench: Bench,
  service: Service,
  by: 'api' | 'floor',
  model: Model,
): Promise<JobResult> {
  const firstSlot = service.takeSlots(slotsAtATime);
  const target: Target =
    by === 'api'
      ? { kind: 'book', port: service.port, tokens: service.tokens(), firstSlot }
      : { kind: 'sql-book', url: service.databaseUrl, users: 64, firstSlot };
  const result = await bench.load.run({ target, model });
  service.giveSlotsBack(slotsAtATime - result.sent);
  return result;
}

export const closed = (clients: number, forMs: number, requestsMax = 1_000_000): Model => ({
  kind: 'closed',
  clients,
  forMs,
  requestsMax,
});
export const open = (perSecond: number, forMs: number): Model => ({ kind: 'open', perSecond, forMs });

export const format0 = (value: number) => (Number.isFinite(value) ? value.toFixed(0) : '–');
export const format3 = (value: number) =>
  Number.isFinite(value) ? value.toPrecision(3).replace(/e.*/, '') : '–';
export const ms = (value: number) =>
  !Number.isFinite(value) ? '–' : value >= 100 ? value.toFixed(0) : value.toFixed(value < 10 ? 2 : 1);
export const ratio = (value: number) => (Number.isFinite(value) ? value.toFixed(2) : '–');
