import type { Db } from './knex.ts';
import { prepared, rows } from './knex.ts';
import { User } from './models.ts';

/**
 * Makes an account.
 * @param email in canonical form (domain/email.ts)
 * @throws the violation of `users_email_taken`
 */
export async function insertUser(
  db: Db,
  user: { email: string; passwordHash: string; isStaff?: boolean },
): Promise<number> {
  const staff = user.isStaff ?? false;
  const made = await User.query(db)
    .insert({ email: user.email, password_hash: user.passwordHash, is_staff: staff, is_superuser: staff })
    .returning('id');
  return made.id;
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
 * Is this account active and staff at this moment, and its session not ended? Asked on every staff request: a lost role
 * and a reset password count at once.
 */
export async function isStaff(db: Db, caller: { userId: number; sessionId: string }): Promise<boolean> {
  const found = await prepared(
    db,
    'is_staff',
    `select 1 from users where id = ? and is_staff and is_active
        and not exists (select 1 from sessions where id = ? and revoked_at is not null)`,
    [caller.userId, caller.sessionId],
  );
  return found.length > 0;
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
