import { refreshGraceMs, refreshTokenDays, sessionDays } from '../domain/limits.ts';
import { type Db, rows } from './knex.ts';

/**
 * A session is the family of refresh tokens that follow from one login. A token works once; presented again after
 * the grace of a second tab it is a stolen copy, and the whole family ends (RFC 9700 §4.14.2).
 */

/** A login that was just verified: its session begins only while the password is still that one. */
export interface Login {
  id: number;
  passwordHash: string;
}

/**
 * The user of a login, if nothing has changed since it was verified. Locked, so that a reset of the password either is
 * seen here or finds the session, which it then ends. Two parameters: user id, password hash.
 */
export const unchangedLogin =
  'select id from users where id = ? and password_hash = ? and is_active for share';

/**
 * Begins a session with its first token. Tokens are stored hashed only.
 * @returns false when the password was reset or the account disabled since the login was verified
 */
export async function insertSession(
  db: Db,
  login: Login,
  session: { id: string; tokenHash: Buffer },
): Promise<boolean> {
  const made = await rows(
    db,
    `with login as (${unchangedLogin}), made as (
       insert into sessions (id, user_id, expires_at)
       select ?, id, now() + ? * interval '24 hours' from login returning id
     )
     insert into refresh_tokens (token_hash, session_id, expires_at)
     select ?, id, now() + ? * interval '24 hours' from made returning session_id`,
    [login.id, login.passwordHash, session.id, sessionDays, session.tokenHash, refreshTokenDays],
  );
  return made.length > 0;
}

export type Rotation =
  | { outcome: 'rotated'; sessionId: string; userId: number }
  | { outcome: 'in_progress' }
  | { outcome: 'reused'; sessionId: string; userId: number }
  | { outcome: 'invalid' };

interface TokenRow {
  sessionId: string;
  userId: number;
  usable: boolean;
  rotated: boolean;
  withinGrace: boolean;
}

/** Exchanges a refresh token for its successor, or revokes its family when it was used before. */
export async function rotateRefreshToken(db: Db, oldHash: Buffer, newHash: Buffer): Promise<Rotation> {
  return db.transaction(async (trx) => {
    const [token] = await rows<TokenRow>(
      trx,
      `select t.session_id as "sessionId", s.user_id as "userId",
              (s.revoked_at is null and s.expires_at > clock_timestamp() and t.expires_at > clock_timestamp()
               and u.is_active) as usable,
              t.rotated_at is not null as rotated,
              coalesce(t.rotated_at > clock_timestamp() - ? * interval '1 millisecond', false) as "withinGrace"
         from refresh_tokens t join sessions s on s.id = t.session_id join users u on u.id = s.user_id
        where t.token_hash = ? for no key update of t, s`,
      [refreshGraceMs, oldHash],
    );
    if (!token) return { outcome: 'invalid' };
    const { sessionId, userId } = token;
    if (token.rotated && token.withinGrace && token.usable) return { outcome: 'in_progress' };
    if (token.rotated) {
      await revokeSession(trx, sessionId, 'reuse');
      return { outcome: 'reused', sessionId, userId };
    }
    if (!token.usable) return { outcome: 'invalid' };
    await rows(
      trx,
      `with used as (update refresh_tokens set rotated_at = clock_timestamp() where token_hash = ?)
       insert into refresh_tokens (token_hash, session_id, expires_at)
       values (?, ?, clock_timestamp() + ? * interval '24 hours')`,
      [oldHash, newHash, sessionId, refreshTokenDays],
    );
    return { outcome: 'rotated', sessionId, userId };
  });
}

/** Ends a session: none of its refresh tokens works any more. */
export async function revokeSession(
  db: Db,
  sessionId: string,
  by: 'logout' | 'reuse' | 'staff',
): Promise<void> {
  await rows(
    db,
    'update sessions set revoked_at = clock_timestamp(), revoked_by = ? where id = ? and revoked_at is null',
    [by, sessionId],
  );
}

/** Ends every session of a user, or those of one kind: `api` (refresh tokens) or `panel` (the staff panel's cookie). */
export async function revokeUserSessions(
  db: Db,
  userId: number,
  by: 'logout' | 'reuse' | 'staff',
  kind?: 'api' | 'panel',
): Promise<void> {
  await rows(
    db,
    `update sessions set revoked_at = clock_timestamp(), revoked_by = ?
      where user_id = ? and revoked_at is null and kind = coalesce(?, kind)`,
    [by, userId, kind ?? null],
  );
}
