import type { Context } from 'koa';
import { Problem } from '../../domain/problems.ts';
import type { SessionChecks } from '../../core/accounts/check-session.ts';
import type { Caller } from './caller.ts';
import type { AccessTokens } from './access-tokens.ts';

export interface AuthDeps {
  accessTokens: AccessTokens;
  sessionChecks: SessionChecks;
}

/** The access token that a request sends (RFC 6750, 2.1); undefined when it sends none. */
export function bearerToken(ctx: Context): string | undefined {
  return /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(ctx.get('Authorization'))?.[1];
}

/** The refusal of a request without token or cookie, on a route that needs a caller (RFC 6750, 3). */
export function unauthenticated(): Problem {
  const detail = 'Send the header "Authorization: Bearer <access token>"; POST /api/login/ gives one.';
  return new Problem('unauthenticated', { detail });
}

/**
 * The caller of a request, whose token is genuine, session open and account active. For a guest's read, the database's
 * answer may be up to 5 s old.
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
  if (!subject) throw new Problem('invalid_token');
  const session = await (isRead ? sessionChecks.lately(subject) : sessionChecks.now(subject));
  if (!session) throw new Problem('invalid_token');
  return { ...subject, isStaff: session.isStaff };
}
