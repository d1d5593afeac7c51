import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Context } from 'koa';
import type { Logger } from 'pino';
import type { Db } from '../../db/knex.ts';
import { insertSession, type Login, revokeSession, rotateRefreshToken } from '../../db/sessions.ts';
import { refreshTokenDays } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import type { Caller } from '../http/route.ts';

const hashOf = (token: string) => createHash('sha256').update(token).digest();
const newToken = () => randomBytes(32).toString('base64url');

/**
 * Sessions and their refresh tokens: opaque, 256 random bits, stored hashed, and only ever in an HttpOnly cookie.
 * Outside debug the cookie has the `__Host-` prefix, which browsers take only with Secure, Path=/ and no Domain.
 */
export function createSessions({ db, log, debug }: { db: Db; log: Logger; debug: boolean }) {
  const cookieName = debug ? 'refresh_token' : '__Host-refresh_token';

  function setCookie(ctx: Context, value: string, maxAgeSeconds: number): void {
    const attributes = ['Path=/', 'HttpOnly', 'SameSite=Strict', `Max-Age=${maxAgeSeconds}`];
    if (!debug) attributes.push('Secure');
    // Not ctx.cookies: behind a TLS proxy Koa sees plain HTTP and refuses to set a secure cookie.
    ctx.append('Set-Cookie', [`${cookieName}=${value}`, ...attributes].join('; '));
    ctx.set('Cache-Control', 'no-store');
  }

  const maxAgeSeconds = refreshTokenDays * 86_400;

  return {
    /**
     * Begins the session of a login that was just verified, and sets its cookie.
     * @throws Problem invalid_credentials, when the password was reset meanwhile
     */
    async begin(ctx: Context, login: Login): Promise<Caller> {
      const token = newToken();
      const sessionId = randomUUID();
      const begun = await insertSession(db, login, { id: sessionId, tokenHash: hashOf(token) });
      if (!begun) throw new Problem('invalid_credentials');
      setCookie(ctx, token, maxAgeSeconds);
      return { userId: login.id, sessionId };
    },

    /**
     * Exchanges the cookie for its successor.
     * @throws Problem invalid_refresh_token, refresh_in_progress
     */
    async refresh(ctx: Context): Promise<Caller> {
      const token = ctx.cookies.get(cookieName);
      if (!token || token.length > 128) throw new Problem('invalid_refresh_token');
      const successor = newToken();
      const rotation = await rotateRefreshToken(db, hashOf(token), hashOf(successor));
      switch (rotation.outcome) {
        case 'rotated':
          setCookie(ctx, successor, maxAgeSeconds);
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
          setCookie(ctx, '', 0);
          throw new Problem('invalid_refresh_token');
        case 'invalid':
          setCookie(ctx, '', 0);
          throw new Problem('invalid_refresh_token');
      }
    },

    /** Ends the session of the access token and clears the cookie. */
    async end(ctx: Context, caller: Caller): Promise<void> {
      await revokeSession(db, caller.sessionId, 'logout');
      setCookie(ctx, '', 0);
    },
  };
}

export type Sessions = ReturnType<typeof createSessions>;

/**
 * Refuses a request that another site makes with the user's cookie (OWASP CSRF Cheat Sheet: fetch metadata, then
 * Origin). A client that is no browser sends neither, and has no cookie that a site could use.
 * @throws Problem cross_site
 */
export function refuseCrossSite(ctx: Context, corsOrigins: readonly string[]): void {
  const origin = ctx.get('Origin');
  const site = ctx.get('Sec-Fetch-Site');
  if (origin !== '' && (corsOrigins.includes(origin) || originHost(origin) === ctx.host)) return;
  if (origin !== '' || site === 'cross-site' || site === 'same-site') throw new Problem('cross_site');
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
