import { refreshGraceMs, refreshTokenDays, sessionDays } from '../domain/limits.ts';
import { type Db, prepared, rows } from './knex.ts';

/*
 * A session is the family of refresh tokens that follow from one login. A token is exchanged once; presented again later
 * it is a stolen copy, and the whole family ends (RFC 9700, 4.14.2).
 */

/** A login that was just verified: its session begins only if the password has not changed since. */
export interface Login {
  id: number;
  passwordHash: string;
}

/**
 * The user of a login, if nothing has changed since it was verified. Locked, so that a reset of the password either is
 * seen here or finds the session, which it then ends. Two parameters: user id, password hash.
 */
const unchangedLogin = 'select id from users where id = ? and password_hash = ? and is_active for share';

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

/** A working day (OWASP Session Management Cheat Sheet: absolute timeout). */
const panelSessionHours = 12;

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
    [login.id, login.passwordHash, session.id, session.tokenHash, panelSessionHours],
  );
  return made.length > 0;
}

export type Rotation =
  | { outcome: 'rotated' | 'repeated'; sessionId: string; userId: number; successorHash: Buffer }
  | { outcome: 'reused'; sessionId: string; userId: number }
  | { outcome: 'invalid' };

/**
 * Exchanges a refresh token for its successor, or gives the same successor again, or revokes the token's family
 * (`rotate_refresh_token` in db/schema/sessions.sql).
 * @param successorHashes the successors that can be derived from the token; a new rotation takes the first
 */
export async function rotateRefreshToken(
  db: Db,
  tokenHash: Buffer,
  successorHashes: readonly Buffer[],
): Promise<Rotation> {
  const [rotation] = await rows<Rotation>(
    db,
    `select outcome, session_id as "sessionId", user_id as "userId", successor_hash as "successorHash"
       from rotate_refresh_token(p_token_hash => ?, p_successor_hashes => ?::bytea[],
         p_token_life => ?::integer * interval '24 hours', p_grace => ?::integer * interval '1 millisecond')`,
    [tokenHash, successorHashes, refreshTokenDays, refreshGraceMs],
  );
  if (!rotation) throw new Error('Postgres returned no outcome of a rotation');
  return rotation;
}

export interface OpenSession {
  userId: number;
  isStaff: boolean;
}

/** An API session that has not ended, of an account that is active. */
export async function findOpenSession(
  db: Db,
  { userId, sessionId }: { userId: number; sessionId: string },
): Promise<OpenSession | undefined> {
  const [found] = await prepared<OpenSession>(
    db,
    'open_session',
    `select u.id as "userId", u.is_staff as "isStaff" from sessions s join users u on u.id = s.user_id
      where s.id = ? and s.user_id = ? and s.kind = 'api' and s.revoked_at is null
        and s.expires_at > clock_timestamp() and u.is_active`,
    [sessionId, userId],
  );
  return found;
}

/** The session of a refresh token, even if either of them is no longer valid. */
export async function findSessionOfToken(db: Db, tokenHash: Buffer): Promise<string | undefined> {
  const [found] = await rows<{ sessionId: string }>(
    db,
    'select session_id as "sessionId" from refresh_tokens where token_hash = ?',
    [tokenHash],
  );
  return found?.sessionId;
}

/** Ends a session: none of its refresh tokens works any more, and no access token of it writes. */
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
