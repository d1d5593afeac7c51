import { temporalReconnectMaxMs } from '../../domain/limits.ts';

/**
 * `stopped`: takes nothing. `carrying`: Temporal takes messages. `backing-off`: Temporal does not; after a pause one
 * message probes, and the first that is taken leads back to `carrying`.
 */
export type RelayState = 'stopped' | 'carrying' | 'backing-off';

/** Deliveries under way at once: few while requests are answered, more while the process is idle. */
const concurrencyWhileBusy = 3;
const concurrencyWhileIdle = 12;

/** Messages claimed from the outbox at a time. */
export const batchMax = 64;
/** Starts claimed at a time under high load, when the oldest is new; a whole batch when it is this old. */
const startsPerBatchMin = 8;
const startLagMs = 60_000;

interface Situation {
  state: RelayState;
  loadIsHigh: boolean;
  requestsInFlight: number;
}

/** How many messages may be under way at once. While Temporal does not take them, one probes. */
export function concurrencyFor({ state, loadIsHigh, requestsInFlight }: Situation): number {
  switch (state) {
    case 'stopped':
      return 0;
    case 'backing-off':
      return 1;
    case 'carrying':
      return loadIsHigh || requestsInFlight > 1 ? concurrencyWhileBusy : concurrencyWhileIdle;
  }
}

/**
 * How many messages to claim under high load. It rises with the age of the oldest start that waits, so that Temporal
 * falls behind by a bounded time.
 */
export function startsPerBatch(oldestStartMs: number): number {
  const share = Math.min(1, oldestStartMs / startLagMs);
  return Math.max(startsPerBatchMin, Math.round(batchMax * share));
}

/** How long to pause after so many failures in a row, in milliseconds; `random` is between 0 and 1. */
export function backoffMs(failures: number, random: number): number {
  return Math.min(temporalReconnectMaxMs, 250 * 2 ** failures) * (0.5 + random / 2);
}
