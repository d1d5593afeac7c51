import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createDevices, deviceCookieShape } from '../../core/accounts/devices.ts';
import { deriveKey } from '../../core/derived-keys.ts';

const key = 'a-key-of-thirty-two-bytes-or-more-for-tests';
const otherKey = `another-${key}`;
const createWith = (...keys: string[]) => createDevices(deriveKey(keys, 'deviceCookie'));
const devices = createWith(key);
const day = 86_400_000;

describe('the device cookie', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
  afterEach(() => void vi.useRealTimers());

  test('knows its account for 180 days from the last login there, whatever others do', () => {
    const first = devices.remember(undefined, 7);
    const id = devices.find(first, 7);
    expect(id).toMatch(/^[\w-]{22}$/);
    vi.setSystemTime(Date.now() + 179 * day);
    const renewed = devices.remember(first, 7);
    const other = devices.remember(first, 8);
    vi.setSystemTime(Date.now() + 2 * day);
    expect(devices.find(first, 7)).toBeUndefined();
    expect(devices.find(renewed, 7)).toBe(id);
    expect(devices.find(other, 7)).toBeUndefined();
    expect(devices.find(other, 8)).toBeDefined();
  });

  test('keeps the five accounts that logged in last', () => {
    let cookie: string | undefined;
    for (const userId of [1, 2, 3, 4, 5, 1, 6]) {
      cookie = devices.remember(cookie, userId);
      expect(cookie).toMatch(deviceCookieShape);
      expect(devices.lastUserId(cookie)).toBe(userId);
    }
    const known = [1, 2, 3, 4, 5, 6].filter((userId) => devices.find(cookie, userId));
    expect(known).toEqual([1, 3, 4, 5, 6]);
  });

  test('is of another id on another device, and of another account', () => {
    const ids = [devices.remember(undefined, 7), devices.remember(undefined, 7)].map((cookie) =>
      devices.find(cookie, 7),
    );
    expect(new Set(ids).size).toBe(2);
    expect(devices.find(devices.remember(undefined, 7), 8)).toBeUndefined();
  });

  test('is refused when one letter of it was changed', () => {
    const cookie = devices.remember(undefined, 7);
    for (let at = 0; at < cookie.length; at++) {
      const letter = cookie[at] === 'A' ? 'B' : 'A';
      const changed = `${cookie.slice(0, at)}${letter}${cookie.slice(at + 1)}`;
      expect([at, devices.find(changed, 7)]).toEqual([at, undefined]);
    }
  });

  test('holds while its key is among the keys', () => {
    const cookie = devices.remember(undefined, 7);
    expect(createWith(otherKey, key).find(cookie, 7)).toBeDefined();
    expect(createWith(otherKey).find(cookie, 7)).toBeUndefined();
    const renewed = createWith(otherKey, key).remember(cookie, 7);
    expect(createWith(otherKey).find(renewed, 7)).toBe(devices.find(cookie, 7));
  });
});

describe('a derived key', () => {
  test('signs nothing that the key of another purpose takes', () => {
    const signature = deriveKey([key], 'deviceCookie').sign('data');
    expect(deriveKey([key], 'deviceCookie').verify('data', signature)).toBe(true);
    for (const purpose of ['refreshToken', 'panelForm'] as const) {
      expect(deriveKey([key], purpose).verify('data', signature)).toBe(false);
    }
  });

  test('is that of RFC 5869 for its label, so that what it signed yesterday holds today', () => {
    const signature = deriveKey([key], 'refreshToken').sign('data').toString('hex');
    expect(signature).toBe('7781262e7bc432c19803852d7dc5e79e49ef5be8e6c17cfcd1d8e508b67ff207');
  });

  test('takes no signature of another length', () => {
    const derived = deriveKey([key], 'panelForm');
    for (const length of [0, 1, 31, 33]) expect(derived.verify('data', Buffer.alloc(length))).toBe(false);
  });
});
