import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosStack } from './chaos-stack.ts';
import type { FaultKind } from './options.ts';
import { createRandom } from './random.ts';
import type { Stop } from './stops.ts';
import { createStrikes, type StrikeOptions } from './strikes.ts';

export interface FaultOptions extends Omit<StrikeOptions, 'note'> {
  kinds: readonly FaultKind[];
  seed: number;
}

export interface Faults {
  /** How often each fault struck. */
  counts: Record<string, number>;
  /** The faults with their times, one line each. */
  diary: string[];
  /** How long each process took to end after it was asked to stop. */
  stops: readonly Stop[];
  /** The longest time for which the database's clock was wrong. */
  databaseClockMs(): number;
  start(): void;
  /** Ends all faults, those under way included. */
  stop(): Promise<void>;
}

/** The pause between two faults; several may be at work at once. */
const pauseMs = [1_500, 5_000] as const;

/** Strikes repeatedly until it is stopped; then every process runs and every link is open. */
export function createFaults(stack: ChaosStack, { kinds, seed, ...options }: FaultOptions): Faults {
  const random = createRandom(seed, 'faults');
  const counts: Record<string, number> = {};
  const diary: string[] = [];
  const underWay = new Set<Promise<void>>();
  const strikes = createStrikes(stack, { ...options, note });
  let striking = false;
  let loop: Promise<void> = Promise.resolve();

  function note(what: string, where = ''): void {
    counts[what] = (counts[what] ?? 0) + 1;
    diary.push(`${new Date().toISOString()} ${what} ${where}`);
  }

  async function run(): Promise<void> {
    for (let index = 0; striking; index++) {
      // Each draws from its own random stream, since several draw at the same time.
      const own = createRandom(seed, `fault ${index}`);
      const fault = strikes.strike(random.pick(kinds), own).finally(() => underWay.delete(fault));
      underWay.add(fault);
      await sleep(random.between(...pauseMs));
    }
  }

  return {
    counts,
    diary,
    stops: strikes.stops,
    databaseClockMs: strikes.databaseClockMs,
    start(): void {
      striking = kinds.length > 0;
      loop = run();
    },
    async stop(): Promise<void> {
      striking = false;
      await loop;
      await Promise.all(underWay);
      for (const link of Object.values(stack.links)) link.set('forward');
      await options.bank.closeAll(random);
      await stack.stripe.setWebhookBehaviour({
        duplicate: 0,
        delayMs: [0, 0],
        reorder: false,
        dropRate: 0,
        loseRate: 0,
      });
      // Webhooks that wait for their next attempt are hurried.
      await stack.stripe.retryNow();
    },
  };
}
