import { createHash } from 'node:crypto';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import type { Db } from '../../db/knex.ts';
import { Problem } from '../../domain/problems.ts';
import { unreachable } from '../../domain/unreachable.ts';

const quarterHourSeconds = 15 * 60;
const hourSeconds = 3_600;
/** One address may fail with so many accounts, and one account from so many addresses, as `loginFailures` says. */
const accountsPerAddress = 5;
const addressesPerAccount = 10;

interface Count {
  limiter: RateLimiterAbstract;
  key: string;
  /** Is the count the caller's own, so that a success clears it? Else the success only takes back what it counted. */
  own: boolean;
}

/**
 * What an attempt came to: it `succeeded`, so the caller's own failures until now are forgotten; it `counts`; or it is
 * `undone`, because it came to no outcome.
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
function count(limiter: RateLimiterAbstract | undefined, text: string, own: boolean): Count | undefined {
  const key = createHash('sha256').update(text).digest('base64url');
  return limiter && { limiter, key, own };
}

function unlessLimited(error: unknown): undefined {
  if (error instanceof Problem && error.code === 'too_many_requests') return undefined;
  throw error;
}

/** Begins attempts, and knows which of this process are not decided yet. */
function createAttemptCounter() {
  const undecided = new Map<string, number>();
  const nameOf = ({ limiter, key }: Count) => `${limiter.keyPrefix}:${key}`;

  function note(counts: readonly Count[], change: 1 | -1): void {
    for (const name of counts.map(nameOf)) {
      const now = (undecided.get(name) ?? 0) + change;
      if (now > 0) undecided.set(name, now);
      else undecided.delete(name);
    }
  }

  /** When only attempts under way stand in the way, they may all succeed: a moment is enough to wait. */
  const refusal = (reached: Count, { msBeforeNext, consumedPoints }: RateLimiterRes): Problem => {
    const decided = consumedPoints - (undecided.get(nameOf(reached)) ?? 0);
    return tooMany(decided < reached.limiter.points ? 1_000 : msBeforeNext);
  };

  async function refuseIfReached(counts: readonly Count[]): Promise<void> {
    const states = await Promise.all(counts.map(({ limiter, key }) => limiter.get(key)));
    for (const [index, one] of counts.entries()) {
      const state = states[index];
      if (state && state.consumedPoints >= one.limiter.points) throw refusal(one, state);
    }
  }

  /** @throws Problem too_many_requests; then nothing was counted */
  return async function begin(given: readonly (Count | undefined)[]): Promise<Attempt> {
    const counts = given.filter((one) => one !== undefined);
    // Read first: a flood of refused attempts writes nothing.
    await refuseIfReached(counts);
    const takeBack = (those: readonly Count[]) =>
      Promise.all(those.map(({ limiter, key }) => limiter.reward(key)));
    note(counts, 1);
    const taken = await Promise.allSettled(counts.map(({ limiter, key }) => limiter.consume(key)));
    const refused = taken.findIndex(({ status }) => status === 'rejected');
    if (refused >= 0) {
      const { reason } = taken[refused] as PromiseRejectedResult;
      const limited = reason instanceof RateLimiterRes;
      const error: unknown = limited ? refusal(counts[refused] as Count, reason) : reason;
      note(counts, -1);
      // One that is refused has been added to its count as well.
      if (limited) await takeBack(counts);
      throw error;
    }
    return {
      async end(outcome) {
        note(counts, -1);
        switch (outcome) {
          case 'succeeded':
            await Promise.all(counts.map((one) => (one.own ? one.limiter.delete(one.key) : takeBack([one]))));
            return;
          case 'undone':
            await takeBack(counts);
            return;
          case 'counts':
            return;
          default:
            unreachable(outcome);
        }
      },
    };
  };
}

/** The refusal of a limit that is reached. @param waitMs until another attempt may be made */
export function tooMany(waitMs: number): Problem {
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new Problem('too_many_requests', {
    detail: `Try again in ${seconds} seconds.`,
    headers: { 'Retry-After': String(seconds) },
  });
}
