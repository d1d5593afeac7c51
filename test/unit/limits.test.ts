import { describe, expect, test } from 'vitest';
import * as limits from '../../domain/limits.ts';

describe('limits', () => {
  test('each is a positive number and names its unit or what it counts', () => {
    for (const [name, value] of Object.entries(limits)) {
      expect(value, name).toBeGreaterThan(0);
      expect(Number.isFinite(value), name).toBe(true);
      expect(name).toMatch(/(Ms|Seconds|Hours|Days|Max|Min|Default|AtOnce)$/);
    }
  });

  // Each pair is a promise that one of them alone cannot keep.
  test.each([
    ['a settlement ends before its lease', limits.settleBoundMs, limits.settleLeaseMs],
    ['a colliding request waits within its time', limits.collisionWaitMs, limits.requestMs],
    ['a call to Temporal ends within its request', limits.temporalCallMs, limits.requestMs],
    ['no request takes three seconds', limits.requestMs, 3_000],
    [
      'a message is leased for longer than its delivery may take',
      limits.temporalCallMs,
      limits.outboxLeaseMs,
    ],
    [
      'a request ends before its Idempotency-Key is free again',
      limits.stripeRequestMs,
      limits.idempotencyLeaseMs,
    ],
    ['two tries at Stripe fit into the request', 2 * limits.stripeTimeoutMs, limits.stripeRequestMs],
    ['a webhook body is larger than a request of ours', limits.jsonBodyBytesMax, limits.webhookBodyBytesMax],
    ['a page has its default', limits.pageSizeDefault, limits.pageSizeMax],
    ['a session outlives a refresh token', limits.refreshTokenDays, limits.sessionDays],
    ['a refresh token outlives an access token', limits.accessTokenSeconds / 86_400, limits.refreshTokenDays],
  ])('%s', (_, smaller, larger) => {
    expect(smaller).toBeLessThan(larger);
  });
});
