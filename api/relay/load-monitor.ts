import type { Traffic } from '../../http/traffic.ts';

/** The load is high above this many requests a second, or this many at once. */
const highPerSecond = 50;
const highAtOnce = 8;
const sampleMs = 200;

/**
 * Tells whether the API answers many requests. The rate counts as well as the number at once, since one client that
 * waits for each answer never has more than one request under way (docs/performance.md, "A relay that looks idle").
 * @param onHigh called when a sample finds the load high after it was not
 */
export function createLoadMonitor(traffic: Pick<Traffic, 'inFlight' | 'begun'>, onHigh: () => void) {
  let rateIsHigh = false;
  let wasHigh = false;
  let sampledAt = performance.now();
  let begunBefore = traffic.begun;
  let timer: NodeJS.Timeout | undefined;

  const isHigh = () => rateIsHigh || traffic.inFlight > highAtOnce;

  function sample(): void {
    const passedMs = performance.now() - sampledAt;
    rateIsHigh = (traffic.begun - begunBefore) * 1000 > highPerSecond * passedMs;
    sampledAt += passedMs;
    begunBefore = traffic.begun;
    if (isHigh() && !wasHigh) onHigh();
    wasHigh = isHigh();
  }

  return {
    isHigh,
    start(): void {
      timer ??= setInterval(sample, sampleMs);
    },
    stop(): void {
      clearInterval(timer);
      timer = undefined;
    },
  };
}

export type LoadMonitor = ReturnType<typeof createLoadMonitor>;
