import { createHash } from 'node:crypto';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import type { Db } from '../../db/knex.ts';
import { Problem } from '../../domain/problems.ts';

const quarterHourSeconds = 15 * 60;
const hourSeconds = 3_600;
/** Multiples of `loginFailures`: for one address over all accounts, and for one account over all addresses. */
const accountsPerAddress = 5;
const addressesPerAccount = 10;

/** Unfinished attempts may succeed and give their counts back, so a refused caller may retry after this long. */
const undecidedMs = 1_000;

interface Count {
  limiter: RateLimiterAbstract;
  key: string;
  /** A success clears the whole count. Otherwise it only takes back what this attempt has counted. */
  clearedBySuccess: boolean;
}

/**
 * The outcome of an attempt. `succeeded` clears the caller's failures, `counts` adds one, and `undone` takes the attempt
 * back because it had no outcome.
 */
export type AttemptOutcome = 'succeeded' | 'counts' | 'undone';

/** One attempt that was counted before its outcome is known, so that attempts at once cannot exceed a limit. */
export interface Attempt {
  /** Called once. */
  end(outcome: AttemptOutcome): Promise<void>;
}

export interface LoginAttempt extends Attempt {
  /** Did a device that the account knows make it? */
  isKnownDevice: boolean;
}

/**
 * The limits on guessing passwords and on registering. Counts are kept in Postgres, shared by all API processes, and in
 * memory while Postgres does not answer. A limit of 0 is off.
 *
 * Strangers are counted by account and address together, by address, and by account. A device that has logged in to the
 * account before has a count of its own: whatever strangers do, its owner gets in.
 */
export function createAttempts(db: Db, limits: { loginFailures: number; registrations: number }) {
  const { loginFailures, registrations } = limits;
  const shared = (keyPrefix: string, points: number, duration: number) =>
    points > 0
      ? new RateLimiterPostgres({
          storeClient: db,
          storeType: 'knex',
          tableName: 'rate_limits',
          tableCreated: true,
          clearExpiredByTimeout: false,
          keyPrefix,
          points,
          duration,
          insuranceLimiter: new RateLimiterMemory({ keyPrefix, points, duration }),
        })
      : undefined;
  const login = (name: string, points: number) => shared(`login-${name}`, points, quarterHourSeconds);
  const limiters = {
    device: login('device', loginFailures),
    accountFromAddress: login('account-address', loginFailures),
    address: login('address', loginFailures * accountsPerAddress),
    // NIST SP 800-63B-4, 3.2.2: no more than 100 guesses in a row at one account, which is this with the default of 10.
    account: login('account', loginFailures * addressesPerAccount),
    registrations: shared('register-address', registrations, hourSeconds),
  };
  const begin = createAttemptCounter();

  return {
    /**
     * Counts a login before its password is looked at.
     * @param login account: the canonical e-mail, of an account or not; address: as `addressKey` writes it;
     *   deviceId: the caller's device, if it is known to the account
     * @throws Problem too_many_requests
     */
    async beginLogin(login: {
      account: string;
      address: string;
      deviceId: string | undefined;
    }): Promise<LoginAttempt> {
      const { account, address, deviceId } = login;
      if (deviceId !== undefined) {
        const attempt = await begin([count(limiters.device, deviceId, true)]).catch(unlessLimited);
        if (attempt) return { ...attempt, isKnownDevice: true };
        // A device that has failed too often itself is as good as a stranger's.
      }
      const attempt = await begin([
        count(limiters.accountFromAddress, `${account}\n${address}`, true),
        count(limiters.address, address, false),
        count(limiters.account, account, false),
      ]);
      return { ...attempt, isKnownDevice: false };
    },
    /** Counts a registration, whatever comes of it. @throws Problem too_many_requests */
    beginRegistration: (address: string): Promise<Attempt> =>
      begin([count(limiters.registrations, address, false)]),
  };
}

export type Attempts = ReturnType<typeof createAttempts>;

/** Keys are hashed: they fit the table, and show no e-mail. */
function count(
  limiter: RateLimiterAbstract | undefined,
  text: string,
  clearedBySuccess: boolean,
): Count | undefined {
  const key = createHash('sha256').update(text).digest('base64url');
  return limiter && { limiter, key, clearedBySuccess };
}

function unlessLimited(error: unknown): undefined {
  if (error instanceof Problem && error.code === 'too_many_requests') return undefined;
  throw error;
}

/** Begins attempts, and knows which of this process are not decided yet. */
function createAttemptCounter() {
  const undecided = new Map<string, number>();
  const nameOf = ({ limiter, key }: Count) => `${limiter.keyPrefix}:${key}`;
  const undecidedOf = (one: Count) => undecided.get(nameOf(one)) ?? 0;
  const takeBack = (counts: readonly Count[]) =>
    Promise.all(counts.map(({ limiter, key }) => limiter.reward(key)));

  function note(counts: readonly Count[], change: 1 | -1): void {
    for (const one of counts) {
      const now = undecidedOf(one) + change;
      if (now > 0) undecided.set(nameOf(one), now);
      else undecided.delete(nameOf(one));
    }
  }

  async function forgive(counts: readonly Count[]): Promise<void> {
    const cleared = counts.filter((count) => count.clearedBySuccess);
    await Promise.all([
      ...cleared.map(({ limiter, key }) => limiter.delete(key)),
      takeBack(counts.filter((count) => !count.clearedBySuccess)),
    ]);
  }

  /** Adds one to each count. @throws Problem too_many_requests; then nothing is added */
  async function take(counts: readonly Count[]): Promise<void> {
    note(counts, 1);
    const taken: Count[] = [];
    try {
      // One after the other: a flood of logins shall not take the pool's connections from everything else.
      for (const one of counts) {
        taken.push(one);
        await one.limiter.consume(one.key);
      }
    } catch (error) {
      note(counts, -1);
      if (!(error instanceof RateLimiterRes)) throw error;
      // A limiter has added to its count when it refuses.
      await takeBack(taken);
      // The limit was not reached a moment ago: attempts under way have reached it.
      throw tooMany(undecidedMs);
    }
  }

  return async function begin(given: readonly (Count | undefined)[]): Promise<Attempt> {
    const counts = given.filter((one) => one !== undefined);
    const undecidedBefore = counts.map(undecidedOf);
    // Read first: a flood of refused attempts writes nothing.
    for (const [at, one] of counts.entries()) {
      const state = await one.limiter.get(one.key);
      if (!state || state.consumedPoints < one.limiter.points) continue;
      const isUndecided = Math.max(undecidedBefore[at] ?? 0, undecidedOf(one)) > 0;
      throw tooMany(isUndecided ? undecidedMs : state.msBeforeNext);
    }
    await take(counts);
    return {
      async end(outcome) {
        if (outcome === 'succeeded') await forgive(counts);
        if (outcome === 'undone') await takeBack(counts);
        note(counts, -1);
      },
    };
  };
}

/** The refusal of a limit that is reached. @param waitMs until another attempt may be made */
export function tooMany(waitMs: number): Problem {
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new Problem('too_many_requests', {
    detail: `Try again in ${retryAfterSeconds} seconds.`,
    retryAfterSeconds,
  });
}
