import { type Db, prepared, rows } from '../../../db/knex.ts';
import { type Login, unchangedLogin } from '../../../db/sessions.ts';

/** A working day, and how long the panel may lie untouched (OWASP Session Management Cheat Sheet: absolute and idle). */
const sessionHours = 12;
const idleHours = 2;

export interface PanelSession {
  sessionId: string;
  userId: number;
  email: string;
}

/**
 * Begins a session of the panel; only the hash of its token is stored.
 * @returns false when the password was reset or the account disabled since the login was verified
 */
export async function insertPanelSession(
  db: Db,
  login: Login,
  session: { id: string; tokenHash: Buffer },
): Promise<boolean> {
  const made = await rows(
    db,
    `with login as (${unchangedLogin})
     insert into sessions (id, user_id, kind, token_hash, expires_at)
     select ?, id, 'panel', ?, now() + make_interval(hours => ?) from login returning id`,
    [login.id, login.passwordHash, session.id, session.tokenHash, sessionHours],
  );
  return made.length > 0;
}

/**
 * The session of a token, if it is alive and its user is active staff at this moment: a lost role counts at once.
 * Notes, once a minute, that it was used.
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

/** How many sessions of a user are open. */
export async function countOpenSessions(db: Db, userId: number): Promise<number> {
  const [open] = await rows<{ open: number }>(
    db,
    `select count(*)::int as open from sessions
      where user_id = ? and revoked_at is null and expires_at > clock_timestamp()`,
    [userId],
  );
  return open?.open ?? 0;
}
