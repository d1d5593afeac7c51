import type { Db } from '../../db/knex.ts';
import { insertUser } from '../../db/users.ts';
import { canonicalEmail } from '../../domain/email.ts';
import { passwordFault } from '../../domain/password.ts';
import { fieldProblem, Problem } from '../../domain/problems.ts';
import type { Attempts } from './attempts.ts';
import type { Credentials } from './check-credentials.ts';
import type { Passwords } from './passwords.ts';

interface RegisterDeps {
  db: Db;
  passwords: Passwords;
  attempts: Attempts;
}

/**
 * Creates a guest's account.
 * @param address the client's, as `addressKey` writes it
 * @returns the account's id
 * @throws Problem invalid_request (email), password_too_weak, email_taken, too_many_requests, overloaded
 */
export async function register(
  { db, passwords, attempts }: RegisterDeps,
  { email, password }: Credentials,
  address: string,
): Promise<number> {
  const canonical = canonicalEmail(email);
  if (!canonical) throw fieldProblem('invalid_request', 'email', 'This is not an e-mail address.');
  const fault = passwordFault(password, canonical);
  if (fault) throw fieldProblem('password_too_weak', 'password', fault);
  const attempt = await attempts.beginRegistration(address);
  const passwordHash = await passwords.hash(password).catch(async (error: unknown) => {
    await attempt.end('undone');
    throw error;
  });
  await attempt.end('counts');
  const userId = await insertUser(db, { email: canonical, passwordHash });
  if (userId === undefined) throw new Problem('email_taken');
  return userId;
}
