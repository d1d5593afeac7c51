import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAccessTokens } from '../../http/auth/access-tokens.ts';

const key = 'a-key-of-thirty-two-bytes-or-more-for-tests';
const caller = { userId: 7, sessionId: randomUUID() };
const minute = 60_000;

describe('an access token that was verified before', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
  afterEach(() => void vi.useRealTimers());

  test('AU-04 is refused once its half hour and the tolerance of half a minute are over', () => {
    const tokens = createAccessTokens([key]);
    const token = tokens.sign(caller);
    expect(tokens.verify(token)).toEqual(caller);
    vi.setSystemTime(Date.now() + 30 * minute);
    expect(tokens.verify(token)).toEqual(caller);
    vi.setSystemTime(Date.now() + 0.5 * minute);
    expect(tokens.verify(token)).toBeUndefined();
  });

  test('is matched exactly: with one letter changed it is checked again and refused', () => {
    const tokens = createAccessTokens([key]);
    const token = tokens.sign(caller);
    expect(tokens.verify(token)).toEqual(caller);
    const [header, , signature] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ sub: '1', sid: caller.sessionId })).toString('base64url');
    expect(tokens.verify(`${header}.${forged}.${signature}`)).toBeUndefined();
    expect(createAccessTokens([`another-${key}`]).verify(token)).toBeUndefined();
  });
});
