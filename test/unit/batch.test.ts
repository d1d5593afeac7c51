import { describe, expect, test } from 'vitest';
import { batch } from '../../core/payments/batch.ts';

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
const options = {
  keyOf: (item: string) => item.toLowerCase(),
  itemsMax: 3,
  slowCallMs: 60_000,
  callsMax: 2,
  isFatal: (error: unknown) => String(error).includes('away'),
};

describe('gathering work', () => {
  test('one goes at once; what comes meanwhile goes together with the next call, and no more than the most', async () => {
    const { calls, work, made } = createWork();
    const ask = batch(work, options);
    const first = ask('a');
    await turn();
    expect(made()).toEqual(['a']);
    const answers = Promise.all([first, ...[...'bcdef'].map(ask)]);
    await turn();
    expect(made()).toEqual(['a']);
    for (const expected of [
      ['a', 'bcd'],
      ['a', 'bcd', 'ef'],
    ]) {
      calls.at(-1)?.finish();
      await turn();
      expect(made()).toEqual(expected);
    }
    calls.at(-1)?.finish();
    expect(await answers).toEqual([...'ABCDEF']);
  });

  test('what comes in one turn of the event loop goes together', async () => {
    const { calls, work, made } = createWork();
    const answers = Promise.all([...'abc'].map(batch(work, options)));
    await turn();
    expect(made()).toEqual(['abc']);
    calls[0]?.finish();
    expect(await answers).toEqual([...'ABC']);
  });

  test('two of the same key never go together, and each is answered in its turn', async () => {
    const { calls, work, made } = createWork();
    const answers = Promise.all([...'aAbBa'].map(batch(work, options)));
    for (const expected of [['ab'], ['ab', 'AB'], ['ab', 'AB', 'a']]) {
      await turn();
      expect(made()).toEqual(expected);
      calls.at(-1)?.finish();
    }
    expect(await answers).toEqual([...'AABBA']);
  });

  test('another call goes beside one that has been out for too long, up to the most', async () => {
    const { calls, work, made } = createWork();
    const ask = batch(work, { ...options, slowCallMs: 5 });
    const answers: Promise<string>[] = [];
    for (const item of 'abc') {
      answers.push(ask(item));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(made()).toEqual(['a', 'b']);
    calls[1]?.finish();
    await turn();
    expect(made()).toEqual(['a', 'b', 'c']);
    calls[0]?.finish();
    calls[2]?.finish();
    expect(await Promise.all(answers)).toEqual([...'ABC']);
  });

  test('when a call for several fails each is tried by itself, and only the culprit fails', async () => {
    const made: string[] = [];
    const work = async (items: string[]) => {
      made.push(items.join(''));
      await turn();
      if (items.includes('x')) throw new Error('x is refused');
      return items;
    };
    const settled = await Promise.allSettled([...'bxc'].map(batch(work, options)));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(made).toEqual(['bxc', 'b', 'x', 'c']);
  });

  test('a call that nothing can help fails for all that it was for, and is not repeated', async () => {
    const { calls, work, made } = createWork();
    const settled = Promise.allSettled([...'abc'].map(batch(work, options)));
    await turn();
    calls[0]?.fail(new Error('the database is away'));
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(made()).toEqual(['abc']);
  });
});
