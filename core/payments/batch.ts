interface GatherOptions<Item> {
  /** Two items with the same key never go in one call. */
  keyOf: (item: Item) => string;
  /** The most that one call takes. */
  itemsMax: number;
  /** Another call goes beside one that has been out for so long: something that it needs may be locked. */
  patienceMs: number;
  /** Calls under way at once, at most. */
  callsMax: number;
  /** Nothing would go better one by one: whatever the call was for has failed. */
  isHopeless: (error: unknown) => boolean;
}

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Does work for one item at a time while it is quiet, and for several at once under load: what comes while a call is
 * under way goes with the next. Nobody waits for company, but for what arrives in the same turn of the event loop. When
 * a call for several fails, each is tried by itself, so that one cannot fail another.
 * @param work returns a result for each item, in their order; fails without effect
 */
export function gather<Item, Result>(
  work: (items: Item[]) => Promise<Result[]>,
  { keyOf, itemsMax, patienceMs, callsMax, isHopeless }: GatherOptions<Item>,
): (item: Item) => Promise<Result> {
  let waiting: Waiting<Item, Result>[] = [];
  let underWay = 0;
  let mayGo = true;

  function pump(): void {
    if (!mayGo || waiting.length === 0 || underWay >= callsMax) return;
    mayGo = false;
    underWay++;
    const patience = setTimeout(letGo, patienceMs);
    void carry(take()).finally(() => {
      underWay--;
      clearTimeout(patience);
      letGo();
    });
  }

  function letGo(): void {
    mayGo = true;
    pump();
  }

  function take(): Waiting<Item, Result>[] {
    const taken = new Map<string, Waiting<Item, Result>>();
    const left: Waiting<Item, Result>[] = [];
    for (const one of waiting) {
      const key = keyOf(one.item);
      if (taken.size < itemsMax && !taken.has(key)) taken.set(key, one);
      else left.push(one);
    }
    waiting = left;
    return [...taken.values()];
  }

  async function carry(some: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await work(some.map(({ item }) => item));
      some.forEach(({ resolve }, place) => {
        resolve(results[place] as Result);
      });
    } catch (error) {
      if (some.length > 1 && !isHopeless(error)) await Promise.all(some.map((one) => carry([one])));
      else for (const { reject } of some) reject(error);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (waiting.length === 1) setImmediate(pump);
    });
}
