import { describe, expect, test } from 'vitest';
import { createPasswords } from '../../core/accounts/passwords.ts';

describe('the queue of passwords', () => {
  test('refuses strangers when eighteen are under way, and takes a known device before them', async () => {
    const passwords = createPasswords();
    // The decoy of unknown accounts is hashed once, at the first of them.
    await passwords.verify(undefined, 'a guess');
    const done: string[] = [];
    const strangers = Array.from({ length: 18 }, async () => {
      await passwords.hash('a password');
      done.push('stranger');
    });
    await expect(passwords.verify(undefined, 'a guess')).rejects.toMatchObject({ code: 'overloaded' });
    const owner = passwords.verify(undefined, 'a password', 'knownDevice').then(() => done.push('owner'));
    await Promise.all([...strangers, owner]);
    // Two were being hashed already, and on a busy machine others finish in another order than they began.
    expect(done.indexOf('owner')).toBeLessThan(9);
    expect(done).toHaveLength(19);
  });

  test('takes the next one after one that failed', async () => {
    const passwords = createPasswords();
    const stored = await passwords.hash('a password');
    expect(await passwords.verify('no hash at all', 'a password')).toBe(false);
    expect(await passwords.verify(stored, 'a password')).toBe(true);
    expect(await passwords.verify(stored, 'another')).toBe(false);
  });
});
