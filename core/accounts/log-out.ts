import type { Db } from '../../db/knex.ts';
import { findSessionOfToken, revokeSession } from '../../db/sessions.ts';
import type { SessionChecks } from './check-session.ts';
import { hashToken } from './tokens.ts';

interface LogOutDeps {
  db: Db;
  sessionChecks: SessionChecks;
}

/**
 * Ends every session that a request shows: that of its access token, and that of its refresh token, which may be a used
 * or an expired one. Repeating is safe.
 * @returns false when it shows none that exists
 */
export async function logOut(
  { db, sessionChecks }: LogOutDeps,
  shown: { sessionId: string | undefined; refreshToken: string | undefined },
): Promise<boolean> {
  const ofCookie =
    shown.refreshToken === undefined
      ? undefined
      : await findSessionOfToken(db, hashToken(shown.refreshToken));
  const sessionIds = new Set([shown.sessionId, ofCookie].filter((id) => id !== undefined));
  for (const sessionId of sessionIds) {
    await revokeSession(db, sessionId, 'logout');
    sessionChecks.forget(sessionId);
  }
  return sessionIds.size > 0;
}
