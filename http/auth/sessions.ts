import { randomUUID } from 'node:crypto';
import type { Context } from 'koa';
import type { Logger } from 'pino';
import type { Db } from '../../db/knex.ts';
import { insertSession, type Login, revokeSession, rotateRefreshToken } from '../../db/sessions.ts';
import { refreshTokenDays } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import { isOwnOrigin } from '../reading.ts';
import type { Caller } from '../route.ts';
import { createTokenCookie, hashOf, newToken } from '../cookie-tokens.ts';

/** Sessions and their refresh tokens: opaque, stored hashed, and only ever in an HttpOnly cookie. */
export function createSessions({ db, log, debug }: { db: Db; log: Logger; debug: boolean }) {
  const cookie = createTokenCookie({
    name: 'refresh_token',
    debug,
    maxAgeSeconds: refreshTokenDays * 86_400,
  });

  return {
    /** What the cookie is called, for the documentation. */
    cookieName: cookie.name,

    /**
     * Begins the session of a login that was just verified, and sets its cookie.
     * @throws Problem invalid_credentials, when the password was reset meanwhile
     */
    async begin(ctx: Context, login: Login): Promise<Caller> {
      const token = newToken();
      const sessionId = randomUUID();
      const begun = await insertSession(db, login, { id: sessionId, tokenHash: hashOf(token) });
      if (!begun) throw new Problem('invalid_credentials');
      cookie.set(ctx, token);
      return { userId: login.id, sessionId };
    },

    /**
     * Exchanges the cookie for its successor.
     * @throws Problem invalid_refresh_token, refresh_in_progress
     */
    async refresh(ctx: Context): Promise<Caller> {
      const token = cookie.read(ctx);
      if (token === undefined) throw new Problem('invalid_refresh_token');
      const successor = newToken();
      const rotation = await rotateRefreshToken(db, hashOf(token), hashOf(successor));
      switch (rotation.outcome) {
        case 'rotated':
          cookie.set(ctx, successor);
          return { userId: rotation.userId, sessionId: rotation.sessionId };
        case 'in_progress':
          throw new Problem('refresh_in_progress', {
            detail: 'Another tab has just refreshed the session; its new cookie is in place. Try again.',
            headers: { 'Retry-After': '1' },
          });
        case 'reused':
          log.warn(
            { userId: rotation.userId, sessionId: rotation.sessionId },
            'refresh token reused; session revoked',
          );
          cookie.clear(ctx);
          throw new Problem('invalid_refresh_token');
        case 'invalid':
          cookie.clear(ctx);
          throw new Problem('invalid_refresh_token');
      }
    },

    /** Ends the session of the access token and clears the cookie. */
    async end(ctx: Context, caller: Caller): Promise<void> {
      await revokeSession(db, caller.sessionId, 'logout');
      cookie.clear(ctx);
    },
  };
}

export type Sessions = ReturnType<typeof createSessions>;

/**
 * Refuses a request that another site makes with the user's cookie (OWASP CSRF Cheat Sheet: fetch metadata, then
 * Origin). The browser's own word for same-origin counts first: it holds whatever a proxy makes of `Host`. A client
 * that is no browser sends neither, and has no cookie that a site could use.
 * @throws Problem cross_site
 */
export function refuseCrossSite(ctx: Context, corsOrigins: readonly string[]): void {
  const site = ctx.get('Sec-Fetch-Site');
  const origin = ctx.get('Origin');
  if (site === 'same-origin' || corsOrigins.includes(origin) || isOwnOrigin(ctx)) return;
  if (origin !== '' || site === 'cross-site' || site === 'same-site') throw new Problem('cross_site');
}
