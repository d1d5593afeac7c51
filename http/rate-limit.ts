import type { Context, Middleware } from 'koa';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { tooMany } from '../core/accounts/attempts.ts';
import type { Devices } from '../core/accounts/devices.ts';
import type { AccessTokens } from './auth/access-tokens.ts';
import { bearerToken } from './auth/authenticate.ts';
import type { AccountCookies } from './auth/cookies.ts';
import { addressKey } from './client-address.ts';

const windowSeconds = 60;

interface RequestLimitDeps {
  config: { limits: { requests: number } };
  accessTokens: AccessTokens;
  devices: Devices;
  cookies: AccountCookies;
}

/**
 * Limits the requests of a client in a minute; 0 is off. It is counted in memory, so that it costs next to nothing.
 * Stripe's webhook, probes and the files of the booking page are exempt: a page loads dozens of files, and an office of
 * guests has one address. A client with a genuine access token or device cookie is counted by its account, not by an
 * address that strangers share.
 * @throws Problem too_many_requests
 */
export function limitRequests(deps: RequestLimitDeps): Middleware {
  const { requests } = deps.config.limits;
  if (requests === 0) return (_ctx, next) => next();
  const limiter = new RateLimiterMemory({ points: requests, duration: windowSeconds });
  const exempt = new Set(['/api/stripe-webhook', '/livez', '/readyz', '/metrics']);
  const isExempt = (path: string) => exempt.has(path.replace(/\/$/, '')) || path.startsWith('/site/');
  return async (ctx, next) => {
    if (!isExempt(ctx.path)) {
      await limiter.consume(requestKey(ctx, deps)).catch((error: unknown) => {
        throw error instanceof RateLimiterRes ? tooMany(error.msBeforeNext) : error;
      });
    }
    await next();
  };
}

function requestKey(ctx: Context, { accessTokens, devices, cookies }: RequestLimitDeps): string {
  const token = bearerToken(ctx);
  const userId =
    (token && accessTokens.verify(token)?.userId) ?? devices.lastUserId(cookies.device.read(ctx));
  return userId === undefined || userId === '' ? addressKey(ctx.ip) : `user:${userId}`;
}
