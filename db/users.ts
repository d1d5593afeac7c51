import type { Db } from './knex.ts';
import { prepared } from './knex.ts';
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

/** Is this account active and staff at this moment? Asked on every staff request: a lost role counts at once. */
export async function isStaff(db: Db, userId: number): Promise<boolean> {
  const found = await prepared(
    db,
    'is_staff',
    'select 1 from users where id = ? and is_staff and is_active',
    [userId],
  );
  return found.length > 0;
}

/** Stores the hash again, made with today's cost. */
export async function updatePasswordHash(db: Db, userId: number, passwordHash: string): Promise<void> {
  await User.query(db).findById(userId).patch({ password_hash: passwordHash });
}
