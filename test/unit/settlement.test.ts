import { describe, expect, it } from 'vitest';
import { processingGraceMs, processingPollMs, settleBoundMs } from '../../domain/limits.ts';
import { afterAnswer, answerPatienceMs } from '../../domain/settlement.ts';

const hour = 3_600_000;
const hold = { overdueMs: 0, silentMs: 0, startsInMs: hour };
const answer = { verdict: 'unknown', asked: 1, passedMs: 0, waitMs: settleBoundMs } as const;

describe('what follows Stripe’s answer about an overdue hold', () => {
  it.each([
    ['canceled ends it', {}, { verdict: 'canceled' }, { do: 'end', isStripeSilent: false, afterMs: 0 }],
    ['succeeded ends it', {}, { verdict: 'succeeded' }, { do: 'end', isStripeSilent: false, afterMs: 0 }],
    ['processing is waited for', {}, { verdict: 'processing' }, { do: 'wait', retryInMs: processingPollMs }],
    [
      'processing is waited for until the grace is over',
      { overdueMs: processingGraceMs - 5_000 },
      { verdict: 'processing', passedMs: 1_000 },
      { do: 'wait', retryInMs: 4_000 },
    ],
    [
      'processing is not waited for beyond the grace',
      { overdueMs: processingGraceMs - 500 },
      { verdict: 'processing', passedMs: 500 },
      { do: 'end', isStripeSilent: false, afterMs: 0 },
    ],
    [
      'processing is waited for until the stay begins',
      { startsInMs: 3_000 },
      { verdict: 'processing', passedMs: 1_000 },
      { do: 'wait', retryInMs: 2_000 },
    ],
    [
      'processing is not waited for once the stay has begun',
      { startsInMs: 0 },
      { verdict: 'processing' },
      { do: 'end', isStripeSilent: false, afterMs: 0 },
    ],
    ['Stripe is asked again after a pause', {}, {}, { do: 'ask', afterMs: 200 }],
    ['the pause grows', {}, { asked: 3, passedMs: 600 }, { do: 'ask', afterMs: 800 }],
    ['the pause grows to a second', {}, { asked: 9, passedMs: 6_000 }, { do: 'ask', afterMs: 1_000 }],
    [
      'the last pause ends at the bound, and Stripe is not asked again',
      {},
      { asked: 9, passedMs: settleBoundMs - 400 },
      { do: 'end', isStripeSilent: true, afterMs: 400 },
    ],
    [
      'the silence of earlier callers counts',
      { silentMs: settleBoundMs - 1_000 },
      { asked: 2, passedMs: 1_000 },
      { do: 'end', isStripeSilent: true, afterMs: 0 },
    ],
    [
      'a caller who can wait no longer leaves the silence to the next',
      { silentMs: 2_000 },
      { asked: 2, passedMs: 900, waitMs: 1_000 },
      { do: 'leave', silentMs: 2_900 },
    ],
    [
      'a caller who can wait no longer still ends a hold whose bound is reached',
      { silentMs: settleBoundMs },
      { passedMs: 900, waitMs: 100 },
      { do: 'end', isStripeSilent: true, afterMs: 0 },
    ],
  ] as const)('%s', (_, ofHold, ofAnswer, step) => {
    expect(afterAnswer({ ...hold, ...ofHold }, { ...answer, ...ofAnswer })).toEqual(step);
  });

  it('waits for one answer until the bound, and for a second at least', () => {
    expect(answerPatienceMs(hold, 0)).toBe(settleBoundMs);
    expect(answerPatienceMs({ ...hold, silentMs: 4_000 }, 2_000)).toBe(4_000);
    expect(answerPatienceMs({ ...hold, silentMs: settleBoundMs }, 5_000)).toBe(1_000);
  });
});
