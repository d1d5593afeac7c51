import type { Traffic } from '../../http/traffic.ts';

/** More requests a second than this, or more at once, and starts wait. */
const busyPerSecond = 50;
const busyAtOnce = 8;
const busyWindowMs = 200;

/**
 * Tells whether the API answers many requests: many at once, or many lately, since one client who waits for each answer
 * counts too. `onBusy` is called when it begins to.
 */
export function createBusyness(
  traffic: Pick<Traffic, 'inFlight' | 'begun'>,
  onBusy: () => void,
): () => boolean {
  let busy = false;
  let manyLately = false;
  let since = performance.now();
  let begunBefore = traffic.begun;
  return () => {
    const passedMs = performance.now() - since;
    if (passedMs >= busyWindowMs) {
      manyLately = (traffic.begun - begunBefore) * 1000 > busyPerSecond * passedMs;
      since += passedMs;
      begunBefore = traffic.begun;
    }
    const wasBusy = busy;
    busy = manyLately || traffic.inFlight > busyAtOnce;
    if (busy && !wasBusy) onBusy();
    return busy;
  };
}
