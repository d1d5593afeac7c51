import type { Db } from './knex.ts';
import { prepared, rows } from './knex.ts';
import { noteStaffEvent } from './staff-events.ts';
import { revokeUserSessions } from './sessions.ts';
import { sql } from './sql.ts';

/**
 * Creates a guest's account. A taken address raises no error, which Postgres would write to its log.
 * @param email in canonical form (domain/email.ts)
 * @returns its id; undefined when the e-mail is taken
 */
export async function insertUser(
  db: Db,
  user: { email: string; passwordHash: string },
): Promise<number | undefined> {
  const [made] = await sql<{ id: number }>(
    db,
    'insert_user',
    `insert into users (email, password_hash) values (:email, :passwordHash)
     on conflict (email) do nothing returning id`,
    user,
  );
  return made?.id;
}

/**
 * Creates a staff account at the command line, or makes an existing one active and staff with a new password. Its open
 * sessions end: after a leaked password is reset nobody may stay signed in with it.
 * @param email in canonical form (domain/email.ts)
 * @returns known: the account existed already
 */
export async function makeStaff(
  db: Db,
  email: string,
  passwordHash: string,
): Promise<{ id: number; known: boolean }> {
  return db.transaction(async (trx) => {
    const [user] = await rows<{ id: number; known: boolean }>(
      trx,
      `insert into users (email, password_hash, is_staff, is_superuser) values (?, ?, true, true)
       on conflict (email) do update set password_hash = excluded.password_hash, is_staff = true,
         is_superuser = true, is_active = true
       returning id, xmax <> 0 as known`,
      [email, passwordHash],
    );
    if (!user) throw new Error('Postgres returned no account.');
    await revokeUserSessions(trx, user.id, 'staff');
    await noteStaffEvent(trx, {
      // The command line has no signed-in user, so the account itself is recorded as the actor.
      actorId: user.id,
      action: 'made_staff',
      subjectKind: 'user',
      subjectId: user.id,
      detail: 'On the command line (create-admin), with a new password; open sessions were ended.',
    });
    return user;
  });
}

export interface LoginRow {
  id: number;
  email: string;
  passwordHash: string;
  isStaff: boolean;
  isSuperuser: boolean;
  isActive: boolean;
}

/** The account of a canonical e-mail, active or not. */
export async function findLogin(db: Db, email: string): Promise<LoginRow | undefined> {
  const [row] = await prepared<LoginRow>(
    db,
    'find_login',
    `select id, email, password_hash as "passwordHash", is_staff as "isStaff", is_superuser as "isSuperuser",
            is_active as "isActive" from users where email = ?`,
    [email],
  );
  return row;
}

/**
 * Replaces the hash of a password that was just verified.
 * @returns false when the hash has changed meanwhile: the password was reset, or another login has renewed it
 */
export async function replacePasswordHash(
  db: Db,
  user: { id: number; passwordHash: string },
  passwordHash: string,
): Promise<boolean> {
  const replaced = await rows(
    db,
    'update users set password_hash = ? where id = ? and password_hash = ? returning id',
    [passwordHash, user.id, user.passwordHash],
  );
  return replaced.length > 0;
}
