import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { createLimiter } from '../../activities/limiter.ts';

describe('the limit of steps that ask Stripe', () => {
  /** A step that ends when it is told to. */
  function createGate() {
    const waiting: (() => void)[] = [];
    return {
      step: (input: string) => new Promise<string>((resolve) => waiting.push(() => resolve(input))),
      open: () => waiting.splice(0).forEach((end) => end()),
    };
  }

  test('all steps together run no more than the limit; a step beyond it fails at once, to be tried again', async () => {
    const limit = createLimiter(2);
    const gate = createGate();
    const [one, other] = [limit(gate.step), limit(gate.step)];
    const running = [one('a'), other('b')];
    const refused = await one('c').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ApplicationFailure);
    const { nonRetryable, nextRetryDelay } = refused as ApplicationFailure;
    expect(nonRetryable).toBeFalsy();
    expect(nextRetryDelay).toBeGreaterThanOrEqual(1_000);
    expect(nextRetryDelay).toBeLessThanOrEqual(4_000);
    gate.open();
    expect(await Promise.all(running)).toEqual(['a', 'b']);
  });

  test('a step that fails gives its place back', async () => {
    const limit = createLimiter(1);
    const failing = limit(async () => Promise.reject(new Error('no')));
    await expect(failing(undefined)).rejects.toThrow('no');
    await expect(failing(undefined)).rejects.toThrow('no');
  });
});
