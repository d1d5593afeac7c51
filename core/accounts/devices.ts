import { randomBytes } from 'node:crypto';
import { deviceDays } from '../../domain/limits.ts';
import type { DerivedKey } from '../derived-keys.ts';

/** A browser that several people use remembers the accounts that logged in last, so many of them. */
const accountsMax = 5;
const idBytes = 16;
const bodyBytes = 4 + 4 + idBytes;
const entryBytes = bodyBytes + 32;

interface Entry {
  userId: number;
  /** Unix seconds of the last login. */
  loggedInAt: number;
  /** Random; what this device's failed logins are counted by. */
  id: Buffer;
}

/** The shape of the cookie's value: one to `accountsMax` entries in base64url, the last login first. */
export const deviceCookieShape = /^[\w-]{75}(\.[\w-]{75}){0,4}$/;

/**
 * The accounts that have logged in on a device, kept by the device itself in a signed cookie (OWASP, "Slow Down Online
 * Guessing Attacks with Device Cookies"). It opens nothing: it only tells the owner's device from a stranger's, so that
 * a stranger's guesses do not lock the owner out. Each entry is bound to one account and lasts 180 days from its login.
 */
export function createDevices(key: DerivedKey) {
  function* read(cookie: string | undefined): Generator<Entry> {
    const oldest = Date.now() / 1_000 - deviceDays * 86_400;
    for (const text of cookie?.split('.').slice(0, accountsMax) ?? []) {
      const bytes = Buffer.from(text, 'base64url');
      const body = bytes.subarray(0, bodyBytes);
      if (bytes.length !== entryBytes || !key.verify(body, bytes.subarray(bodyBytes))) continue;
      const entry = { userId: body.readUInt32BE(0), loggedInAt: body.readUInt32BE(4), id: body.subarray(8) };
      if (entry.loggedInAt > oldest) yield entry;
    }
  }

  function write({ userId, loggedInAt, id }: Entry): string {
    const body = Buffer.alloc(bodyBytes);
    body.writeUInt32BE(userId, 0);
    body.writeUInt32BE(loggedInAt, 4);
    id.copy(body, 8);
    return Buffer.concat([body, key.sign(body)]).toString('base64url');
  }

  return {
    /** The id of this device for an account; undefined when the account has not logged in on it. */
    find(cookie: string | undefined, userId: number): string | undefined {
      for (const entry of read(cookie)) if (entry.userId === userId) return entry.id.toString('base64url');
      return undefined;
    },
    /** The account that has logged in last on this device. */
    lastUserId(cookie: string | undefined): number | undefined {
      for (const { userId } of read(cookie)) return userId;
      return undefined;
    },
    /** The cookie after a login: this account first, for 180 days from now; the other accounts stay as they were. */
    remember(cookie: string | undefined, userId: number): string {
      const known = [...read(cookie)];
      const id = known.find((entry) => entry.userId === userId)?.id ?? randomBytes(idBytes);
      const others = known.filter((entry) => entry.userId !== userId).slice(0, accountsMax - 1);
      const entries = [{ userId, loggedInAt: Math.floor(Date.now() / 1_000), id }, ...others];
      return entries.map(write).join('.');
    },
  };
}

export type Devices = ReturnType<typeof createDevices>;
