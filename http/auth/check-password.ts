import type { Context } from 'koa';
import { isDemoLogin } from '../../db/seed.ts';
import { findLogin, type LoginRow, replacePasswordHash } from '../../db/users.ts';
import { canonicalEmail } from '../../domain/email.ts';
import { Problem } from '../../domain/problems.ts';
import type { Db } from '../../db/knex.ts';
import type { Passwords } from '../../db/passwords.ts';
import { addressKey } from '../client-address.ts';
import { countAgainst, type Limiters, limiterKey, refuseIfLimited } from '../rate-limit.ts';

interface CheckDeps {
  db: Db;
  passwords: Passwords;
  limiters: Limiters;
  config: { debug: boolean };
}

/**
 * The active account that these credentials open, for the API and the staff panel alike: throttled per account and
 * per address, and equally slow for an account that does not exist.
 * @throws Problem invalid_credentials, too_many_requests, overloaded
 */
export async function checkPassword(
  deps: CheckDeps,
  ctx: Context,
  given: { email: string; password: string },
): Promise<LoginRow> {
  const { db, passwords, limiters } = deps;
  // What is no address has no account; it is checked like any other, so that it takes as long.
  const email = canonicalEmail(given.email) ?? '';
  const account = limiterKey(email);
  const address = addressKey(ctx.ip);
  await refuseIfLimited(limiters.accountFailures, account);
  await refuseIfLimited(limiters.addressFailures, address);
  const user = await findLogin(db, email);
  const matches = await passwords.verify(user?.passwordHash, given.password);
  // A trial with DEBUG may have left the demo accounts in this database.
  const isDemo = !deps.config.debug && isDemoLogin({ email, password: given.password });
  if (!user || !matches || !user.isActive || isDemo) {
    await Promise.all([
      countAgainst(limiters.accountFailures, account),
      countAgainst(limiters.addressFailures, address),
    ]);
    throw new Problem('invalid_credentials');
  }
  await limiters.accountFailures?.delete(account);
  if (!passwords.isOutdated(user.passwordHash)) return user;
  const passwordHash = await passwords.hash(given.password);
  if (await replacePasswordHash(db, user, passwordHash)) return { ...user, passwordHash };
  // Another login was faster, or the password was reset meanwhile: the new hash decides.
  return checkPassword(deps, ctx, given);
}
