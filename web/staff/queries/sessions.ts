import { type Db, prepared, rows } from '../../../db/knex.ts';

/** A session ends after this long without a request (OWASP Session Management Cheat Sheet: idle timeout). */
const idleHours = 2;

export interface PanelSession {
  sessionId: string;
  userId: number;
  email: string;
}

/**
 * The session of a token, if it is open and its user is active staff at this moment, so that losing the role takes
 * effect immediately. Records, at most once a minute, that the session was used.
 */
export async function findPanelSession(db: Db, tokenHash: Buffer): Promise<PanelSession | undefined> {
  const [found] = await prepared<PanelSession & { stale: boolean }>(
    db,
    'panel_session',
    `select s.id as "sessionId", u.id as "userId", u.email,
            s.seen_at < clock_timestamp() - interval '1 minute' as stale
       from sessions s join users u on u.id = s.user_id
      where s.token_hash = ? and s.kind = 'panel' and s.revoked_at is null
        and s.expires_at > clock_timestamp() and s.seen_at > clock_timestamp() - make_interval(hours => ?)
        and u.is_active and u.is_staff`,
    [tokenHash, idleHours],
  );
  if (found?.stale) {
    await rows(db, 'update sessions set seen_at = clock_timestamp() where id = ?', [found.sessionId]);
  }
  return found && { sessionId: found.sessionId, userId: found.userId, email: found.email };
}

/** The number of a user's open sessions. */
export async function countOpenSessions(db: Db, userId: number): Promise<number> {
  const [open] = await rows<{ open: number }>(
    db,
    `select count(*)::int as open from sessions
      where user_id = ? and revoked_at is null and expires_at > clock_timestamp()`,
    [userId],
  );
  return open?.open ?? 0;
}
