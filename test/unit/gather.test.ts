import { describe, expect, test } from 'vitest';
import { gather } from '../../db/gather.ts';

/** Work that waits until it is let go, and notes what each call was for. */
function createWork() {
  const calls: { items: string[]; finish: () => void; fail: (error: Error) => void }[] = [];
  const work = (items: string[]) =>
    new Promise<string[]>((resolve, reject) => {
      const finish = () => resolve(items.map((item) => item.toUpperCase()));
      calls.push({ items, finish, fail: reject });
    });
  return { calls, work, made: () => calls.map(({ items }) => items.join('')) };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const options = { lanes: 2, itemsMax: 3, isHopeless: (error: unknown) => String(error).includes('away') };

describe('gathering work', () => {
  test('each goes at once while there is a lane, what comes meanwhile goes together, and no more than the most', async () => {
    const { calls, work, made } = createWork();
    const ask = gather(work, options);
    const answers = Promise.all([...'abcdef'].map(ask));
    expect(made()).toEqual(['a', 'b']);
    calls[0]?.finish();
    await turn();
    expect(made()).toEqual(['a', 'b', 'cde']);
    for (const call of calls.slice(1)) call.finish();
    await turn();
    expect(made()).toEqual(['a', 'b', 'cde', 'f']);
    calls[3]?.finish();
    expect(await answers).toEqual([...'ABCDEF']);
  });

  test('when a call for several fails each is tried by itself, and only the culprit fails', async () => {
    const made: string[] = [];
    const work = async (items: string[]) => {
      made.push(items.join(''));
      await turn();
      if (items.includes('x')) throw new Error('x is refused');
      return items;
    };
    const ask = gather(work, { ...options, lanes: 1 });
    const settled = await Promise.allSettled([...'abxc'].map(ask));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(made).toEqual(['a', 'bxc', 'b', 'x', 'c']);
  });

  test('a call that nothing can help fails for all that it was for, and is not repeated', async () => {
    const { calls, work, made } = createWork();
    const ask = gather(work, { ...options, lanes: 1 });
    const settled = Promise.allSettled([...'abc'].map(ask));
    calls[0]?.finish();
    await turn();
    calls[1]?.fail(new Error('the database is away'));
    expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(made()).toEqual(['a', 'bc']);
  });
});
