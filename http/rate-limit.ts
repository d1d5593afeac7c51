import { createHash } from 'node:crypto';
import type { Middleware } from 'koa';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import type { Db } from '../db/knex.ts';
import { Problem } from '../domain/problems.ts';
import { addressKey } from './client-address.ts';

const quarterHour = 15 * 60;

/**
 * The abuse limits. Failures of login and registrations are counted in Postgres, shared by all API processes, and in
 * memory while Postgres does not answer; requests per address are counted in memory, so that they cost nothing.
 * A limit of 0 is off.
 */
export function createLimiters(db: Db, limits: Config['limits']) {
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
  const requests =
    limits.requests > 0 ? new RateLimiterMemory({ points: limits.requests, duration: 60 }) : undefined;
  return {
    /** Per account: nobody tries passwords faster, from however many addresses. Never a lock for good. */
    accountFailures: shared('login-account', limits.loginFailures, quarterHour),
    /** Per address: nobody tries many accounts. */
    addressFailures: shared('login-address', limits.loginFailures * 5, quarterHour),
    registrations: shared('register-address', limits.registrations, 3_600),
    requests,
  };
}

export type Limiters = ReturnType<typeof createLimiters>;

/** A key that fits the table and shows no e-mail. */
export const limiterKey = (text: string) => createHash('sha256').update(text).digest('base64url');

/**
 * Refuses when a limit is reached already, without counting.
 * @throws Problem too_many_requests, with Retry-After in seconds
 */
export async function refuseIfLimited(limiter: RateLimiterAbstract | undefined, key: string): Promise<void> {
  const state = await limiter?.get(key);
  if (limiter && state && state.consumedPoints >= limiter.points) throw tooMany(state);
}

/** Counts one. @throws Problem too_many_requests */
export async function countAgainst(limiter: RateLimiterAbstract | undefined, key: string): Promise<void> {
  try {
    await limiter?.consume(key);
  } catch (error) {
    if (error instanceof RateLimiterRes) throw tooMany(error);
    throw error;
  }
}

function tooMany(state: RateLimiterRes): Problem {
  const seconds = Math.max(1, Math.ceil(state.msBeforeNext / 1000));
  return new Problem('too_many_requests', {
    detail: `Try again in ${seconds} seconds.`,
    headers: { 'Retry-After': String(seconds) },
  });
}

/**
 * The limit per address on all routes but Stripe's, the probes, and the files of the booking page: it is dozens of those,
 * and an office of guests has one address.
 */
export function limitRequests(limiters: Limiters): Middleware {
  const exempt = new Set(['/api/stripe-webhook', '/livez', '/readyz', '/metrics']);
  const isExempt = (path: string) => exempt.has(path.replace(/\/$/, '')) || path.startsWith('/site/');
  return async (ctx, next) => {
    if (limiters.requests && !isExempt(ctx.path)) {
      await countAgainst(limiters.requests, addressKey(ctx.ip));
    }
    await next();
  };
}
