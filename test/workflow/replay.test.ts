import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleWorkflows } from '../../worker/bundle.ts';
import { fileNameOf, readHistories, type SavedHistory } from './histories.ts';
import { bundleOtherRelease } from './other-release.ts';
import { scenarios } from './scenarios.ts';

// The SDK prints the nondeterminism errors that these tests provoke.
Runtime.install({
  logger: new DefaultLogger('ERROR', () => {}),
  telemetryOptions: { logging: { filter: 'OFF' } },
});

const saved = readHistories();

/** Replays histories on a bundle. @returns by name, the error of each that does not replay */
async function replay(code: string, histories: SavedHistory[]): Promise<Map<string, Error>> {
  const faults = new Map<string, Error>();
  const names = histories.map(({ name }) => name);
  const results = Worker.runReplayHistories({ workflowBundle: { code } }, histories);
  for await (const { error } of results) {
    const name = names.shift() ?? '';
    if (error) faults.set(name, error);
  }
  return faults;
}

describe('TM-10 saved histories', () => {
  test('there is one for every scenario, and none besides', () => {
    expect(saved.map(({ name }) => `${name}.json`)).toEqual(Object.keys(scenarios).map(fileNameOf).sort());
  });

  test('every one replays on the current workflows', async () => {
    const faults = await replay(await bundleWorkflows(), saved);
    expect([...faults].map(([name, { message }]) => `${name}: ${message}`)).toEqual([]);
  });
});

describe('TM-10 a change of the workflows that open bookings would not survive is found', () => {
  const ofBookings = saved.filter(({ workflowId }) => workflowId.startsWith('booking-'));
  const ofRefunds = saved.filter(({ workflowId }) => workflowId.startsWith('refund-'));

  test('a new step at the start', async () => {
    const code = await bundleOtherRelease('step-added');
    const faults = await replay(code, [...ofBookings, ...ofRefunds]);
    const notThere = 'booking-is-not-there';
    expect([...faults.keys()].sort()).toEqual(
      [...ofBookings, ...ofRefunds]
        .map(({ name }) => name)
        .filter((name) => name !== notThere)
        .sort(),
    );
    for (const error of faults.values()) expect(error).toBeInstanceOf(DeterminismViolationError);
  });

  test('a step that is taken away in the middle', async () => {
    const code = await bundleOtherRelease('step-taken-away');
    const faults = await replay(code, ofBookings);
    expect([...faults.keys()]).toContain('guest-cancels-the-hold');
    for (const error of faults.values()) expect(error).toBeInstanceOf(DeterminismViolationError);
  });

  test('but not new steps behind a patch', async () => {
    const code = await bundleOtherRelease('later');
    expect([...(await replay(code, saved)).keys()]).toEqual([]);
  });
});

describe('TM-04 saved histories tell nothing', () => {
  /** Payloads are Base64 of JSON: what a grep of the file would not see. */
  const read = (text: string) =>
    text.replace(/"([A-Za-z0-9+/]{4,}={0,2})"/g, (quoted, data: string) => {
      const decoded = Buffer.from(data, 'base64').toString('utf8');
      return /^[\x20-\x7e]+$/.test(decoded) ? `${quoted} ${decoded}` : quoted;
    });
  const tellTales = {
    'an e-mail address or pid@host': /[\w.+-]+@(?!temporalio\/|1\.)[\w-]+/,
    'a client secret or a key': /_secret_|whsec_|\b[sr]k_(test|live)_/,
    'a path of the machine': /(^|["( ])(file:\/\/)?\/(home|root|tmp|usr|var|work|Users|private)\//,
    'what a guest wrote': /special_?requests|guest_?(name|count)|user_?(name|email)/i,
  };
  let texts: { name: string; text: string }[];
  beforeAll(() => {
    texts = saved.map(({ name, text }) => ({ name, text: read(text) }));
    expect(texts.some(({ text }) => text.includes('{"bookingRef":"'))).toBe(true);
  });

  test.each(Object.entries(tellTales))('not %s', (_, pattern) => {
    expect(texts.map(({ name, text }) => [name, pattern.exec(text)?.[0]]).filter(([, hit]) => hit)).toEqual(
      [],
    );
  });
});
