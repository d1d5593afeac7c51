import { expect, test } from 'vitest';
import { temporalServer, temporalSqlTool } from '../../dev/go-tool.ts';
import type { Answer } from '../chaos/browser.ts';
import { type Facts, judge } from '../rehearsal/verdict.ts';
import { read } from '../compose-kit.ts';

const answer = (change: Partial<Answer> = {}): Answer => ({
  call: 'book',
  visit: 1,
  key: '',
  status: 201,
  code: '',
  sentAt: 1_000,
  answeredAt: 1_100,
  ...change,
});

/** A run in which everything held. */
const good: Facts = {
  answers: [answer(), answer({ status: 429, code: 'too_many_holds', retryAfter: '60' })],
  rollingRestarts: [{ name: 'api-1', from: 500, to: 2_000 }],
  readinessInOutage: [{ at: 5_000, status: 200, state: 'degraded' }],
  cancellationsBackMs: [800, 2_900],
  violations: [],
};

const brokenIn = (facts: Facts) => judge(facts).filter(({ faults }) => faults.length > 0);

test('a rehearsal in which everything held has nothing broken', () => {
  expect(brokenIn(good)).toEqual([]);
});

test.each<[string, Partial<Facts>, RegExp]>([
  ['a wrong end', { violations: [{ invariant: 'I2', what: 'money' }] }, /ended right/],
  ['a 503 without Retry-After', { answers: [answer({ status: 503 })] }, /when to come back/],
  ['a 429 that says 0', { answers: [answer({ status: 429, retryAfter: '0' })] }, /when to come back/],
  ['a 502 in a rolling restart', { answers: [answer({ status: 502 })] }, /rolling/],
  ['a 504 that began before it', { answers: [answer({ status: 504, sentAt: 1 })] }, /rolling/],
  ['a lost request in a rolling restart', { answers: [answer({ status: 0 })] }, /rolling/],
  ['no rolling restart', { rollingRestarts: [] }, /rolling/],
  ['an API that is not ready', { readinessInOutage: [{ at: 1, status: 503, state: '' }] }, /readyz/],
  ['readiness that was never probed', { readinessInOutage: [] }, /readyz/],
  ['a cancellation that came late', { cancellationsBackMs: [100, 3_001] }, /cancellations/],
  ['no cancellation', { cancellationsBackMs: [] }, /cancellations/],
])('%s breaks its promise, and no other', (_, change, says) => {
  const broken = brokenIn({ ...good, ...change });
  expect(broken.map((finding) => finding.says)).toEqual([expect.stringMatching(says)]);
});

test('a 502 while a part is killed comes from a proxy without an API behind it', () => {
  expect(brokenIn({ ...good, answers: [answer({ status: 502, sentAt: 9_000, answeredAt: 9_100 })] })).toEqual(
    [],
  );
});

test('the rehearsal runs the version of Temporal that the containers have', () => {
  const [, version] = /^FROM temporalio\/server:(\S+)/m.exec(read('Dockerfile')) ?? [];
  expect([temporalServer.version, temporalSqlTool.version]).toEqual([version, version]);
});
