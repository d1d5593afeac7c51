import type { Context } from 'koa';
import { invalidToken, Problem } from '../../domain/problems.ts';
import type { SessionChecks } from '../../core/accounts/check-session.ts';
import type { Caller } from '../route.ts';
import type { AccessTokens } from './access-tokens.ts';

export interface AuthDeps {
  accessTokens: AccessTokens;
  sessionChecks: SessionChecks;
}

/** The access token that a request sends (RFC 6750, 2.1); undefined when it sends none. */
export function bearerToken(ctx: Context): string | undefined {
  return /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(ctx.get('Authorization'))?.[1];
}

/** A route that needs the caller got neither a token nor a cookie (RFC 6750, 3). */
export function unauthenticated(): Problem {
  const detail = 'Send the header "Authorization: Bearer <access token>"; POST /api/login/ gives one.';
  return new Problem('unauthenticated', { detail, headers: { 'WWW-Authenticate': 'Bearer' } });
}

/**
 * The caller of a request: its token is genuine, its session open, and its account active. A read by a guest goes by an
 * answer of the database that is at most 5 s old.
 * @throws Problem unauthenticated, invalid_token
 */
export async function authenticate(
  ctx: Context,
  { accessTokens, sessionChecks }: AuthDeps,
  { isRead }: { isRead: boolean },
): Promise<Caller> {
  const token = bearerToken(ctx);
  if (token === undefined) throw unauthenticated();
  const subject = accessTokens.verify(token);
  if (!subject) throw invalidToken();
  const session = await (isRead ? sessionChecks.lately(subject) : sessionChecks.now(subject));
  if (!session) throw invalidToken();
  return { ...subject, isStaff: session.isStaff };
}
