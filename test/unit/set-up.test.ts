import { pino } from 'pino';
import { expect, test } from 'vitest';
import { type SetUpStep, setUpNamespace } from '../../worker/set-up.ts';

type Attempt = 'made' | 'denied' | Error;

/** Runs one step whose attempts end as given, with pauses of a millisecond. */
async function setUp(attempts: Attempt[], stopping = new AbortController()) {
  const lines: { level: number; msg: string }[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const shown: number[] = [];
  const step: SetUpStep = {
    name: 'schedule',
    complaint: 'no schedule',
    make: async () => {
      const attempt = attempts.shift() ?? 'made';
      if (attempts.length === 0 && attempt instanceof Error) stopping.abort();
      if (attempt instanceof Error) throw attempt;
      return attempt;
    },
  };
  await setUpNamespace([step], {
    log,
    showPending: (_, pending) => shown.push(pending),
    stopping: stopping.signal,
    againMs: 1,
    againMaxMs: 2,
  });
  const warnings = lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  return { warnings, shown };
}

const starting = new Error('Not enough hosts to serve the request');

test('a step that fails is repeated until it succeeds, and complained of once', async () => {
  expect(await setUp([starting, starting, starting, 'made'])).toEqual({
    warnings: ['no schedule'],
    shown: [1, 0],
  });
});

test('a step that is not allowed is not repeated, and is not outstanding', async () => {
  expect(await setUp(['denied'])).toEqual({ warnings: ['no schedule: not allowed'], shown: [1, 0] });
});

test('a step that never succeeds ends with the worker, and stays outstanding', async () => {
  expect(await setUp([starting, starting])).toEqual({ warnings: ['no schedule'], shown: [1] });
});
