interface BatchOptions<Item> {
  /** Two items with the same key never go in one call. */
  keyOf: (item: Item) => string;
  /** The most that one call takes. */
  itemsMax: number;
  /** A call that takes longer is waiting for something, a lock perhaps: another call goes beside it. */
  slowCallMs: number;
  /** How many calls are under way at once, at most. */
  callsMax: number;
  /** Would every item fail by itself too? Then the items of a failed call are not tried one by one. */
  isFatal: (error: unknown) => boolean;
}

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Does work for one item at a time while it is quiet, and for several at once under load: items that arrive while a call
 * is under way go with the next call. No item is delayed to fill a batch; only those of one event-loop tick are combined.
 * When a call for several items fails, each is tried by itself, so that one cannot fail another.
 * @param work returns a result for each item, in their order; fails without effect
 */
export function batch<Item, Result>(
  work: (items: Item[]) => Promise<Result[]>,
  { keyOf, itemsMax, slowCallMs, callsMax, isFatal }: BatchOptions<Item>,
): (item: Item) => Promise<Result> {
  let waiting: Waiting<Item, Result>[] = [];
  let callsUnderWay = 0;
  let isNextCallAllowed = true;

  function startCall(): void {
    if (!isNextCallAllowed || waiting.length === 0 || callsUnderWay >= callsMax) return;
    isNextCallAllowed = false;
    callsUnderWay++;
    const slowCall = setTimeout(allowNextCall, slowCallMs);
    void call(takeItems()).finally(() => {
      callsUnderWay--;
      clearTimeout(slowCall);
      allowNextCall();
    });
  }

  function allowNextCall(): void {
    isNextCallAllowed = true;
    startCall();
  }

  function takeItems(): Waiting<Item, Result>[] {
    const taken = new Map<string, Waiting<Item, Result>>();
    const left: Waiting<Item, Result>[] = [];
    for (const entry of waiting) {
      const key = keyOf(entry.item);
      if (taken.size < itemsMax && !taken.has(key)) taken.set(key, entry);
      else left.push(entry);
    }
    waiting = left;
    return [...taken.values()];
  }

  async function call(entries: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await work(entries.map(({ item }) => item));
      entries.forEach(({ resolve }, index) => {
        resolve(results[index] as Result);
      });
    } catch (error) {
      if (entries.length > 1 && !isFatal(error)) await Promise.all(entries.map((entry) => call([entry])));
      else for (const { reject } of entries) reject(error);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (waiting.length === 1) setImmediate(startCall);
    });
}
