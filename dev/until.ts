import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until `probe` returns something, and returns that.
 *
 * @param what  what the caller waits for, for the error message
 * @param limit milliseconds; or a signal, for a caller that ends the wait itself
 * @throws once the limit is reached
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  limit: number | AbortSignal = 10_000,
  pollMs = 25,
): Promise<T> {
  const startedMs = Date.now();
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (typeof limit !== 'number') limit.throwIfAborted();
    else if (Date.now() - startedMs > limit) throw new Error(`${what}: not within ${limit} ms`);
    await sleep(pollMs);
  }
}
