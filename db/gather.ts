interface GatherOptions {
  /** Calls under way at once; what comes meanwhile gathers. */
  lanes: number;
  /** The most that one call takes. */
  itemsMax: number;
  /** Nothing would go better one by one: whatever the call was for has failed. */
  isHopeless: (error: unknown) => boolean;
}

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Does work for one item at a time while it is quiet, and for several at once under load: what comes while all lanes
 * are taken goes with the next call. Nobody waits for company. When a call for several fails, each is tried by itself,
 * so that one cannot fail another.
 * @param work returns a result for each item, in their order; fails without effect
 */
export function gather<Item, Result>(
  work: (items: Item[]) => Promise<Result[]>,
  { lanes, itemsMax, isHopeless }: GatherOptions,
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let underWay = 0;

  function pump(): void {
    while (underWay < lanes && waiting.length > 0) {
      underWay++;
      void carry(waiting.splice(0, itemsMax)).finally(() => {
        underWay--;
        pump();
      });
    }
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
      pump();
    });
}
