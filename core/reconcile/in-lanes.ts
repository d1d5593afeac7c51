/**
 * Does the work for each item, a few at a time.
 * @param stopAtMs `Date.now()` after which no further item begins
 */
export async function inLanes<T>(
  items: readonly T[],
  { lanes, stopAtMs }: { lanes: number; stopAtMs: number },
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  async function lane(): Promise<void> {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      if (Date.now() >= stopAtMs) return;
      await work(item);
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane));
}
