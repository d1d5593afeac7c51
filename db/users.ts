import type { Db } from './knex.ts';
import { prepared, rows } from './knex.ts';
import { noteStaffEvent } from './staff-events.ts';
import { revokeUserSessions } from './sessions.ts';
import { sql } from './sql.ts';

/**
 * Creates a guest's account. An address that is taken is no error to Postgres, which would write it to its log.
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
 * Makes a staff account at the command line, or makes an existing one active and staff with a new password. Its open
 * sessions end: whoever resets a password that leaked expects that nobody stays signed in with it.
 * @param email in canonical form (domain/email.ts)
 * @returns known: the account was there already
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
      // Nobody is signed in at the command line: the account itself stands for whoever had the database's password.
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
 * Stores a password's hash in place of the one that was verified.
 * @returns false when that is no longer the hash: the password was reset, or another login has renewed it
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
