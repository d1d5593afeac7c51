import type { Db } from '../../db/knex.ts';
import { isDemoLogin } from '../../db/seed.ts';
import { findLogin, type LoginRow, replacePasswordHash } from '../../db/users.ts';
import { canonicalEmail } from '../../domain/email.ts';
import { Problem } from '../../domain/problems.ts';
import type { Attempts, LoginAttempt } from './attempts.ts';
import type { Devices } from './devices.ts';
import type { Passwords } from './passwords.ts';

export interface Credentials {
  email: string;
  password: string;
}

/** Where a login comes from. */
export interface Visitor {
  /** As `addressKey` writes it. */
  address: string;
  /** The value of the device cookie. */
  deviceCookie: string | undefined;
}

export interface CredentialDeps {
  db: Db;
  passwords: Passwords;
  attempts: Attempts;
  devices: Devices;
  /** May the demo accounts log in with the password that everybody knows? */
  allowDemo: boolean;
}

/**
 * The active account that these credentials open, for the API and the staff panel alike: throttled, and equally slow
 * for an account that does not exist.
 * @throws Problem invalid_credentials, too_many_requests, overloaded
 */
export async function checkCredentials(
  deps: CredentialDeps,
  credentials: Credentials,
  visitor: Visitor,
): Promise<LoginRow> {
  const { db, passwords, attempts, devices } = deps;
  const { password } = credentials;
  // Text that is no address belongs to no account. It is checked all the way, so that the answer takes as long as any.
  const email = canonicalEmail(credentials.email) ?? '';
  const user = await findLogin(db, email);
  const deviceId = user && devices.find(visitor.deviceCookie, user.id);
  const attempt = await attempts.beginLogin({ account: email, address: visitor.address, deviceId });
  const matches = await verifyPassword(deps, attempt, user, password);
  // A trial with DEBUG may have left the demo accounts in this database.
  const isRefusedDemo = !deps.allowDemo && isDemoLogin({ email, password });
  if (!user || !matches || !user.isActive || isRefusedDemo) {
    await attempt.end('counts');
    throw new Problem('invalid_credentials');
  }
  await attempt.end('succeeded');
  if (!passwords.isOutdated(user.passwordHash)) return user;
  const passwordHash = await passwords.hash(password, priorityOf(attempt));
  if (await replacePasswordHash(db, user, passwordHash)) return { ...user, passwordHash };
  // Another login was faster, or the password was reset meanwhile: the new hash decides.
  return checkCredentials(deps, credentials, visitor);
}

const priorityOf = ({ isKnownDevice }: LoginAttempt) => (isKnownDevice ? 'knownDevice' : 'stranger');

async function verifyPassword(
  { passwords }: CredentialDeps,
  attempt: LoginAttempt,
  user: LoginRow | undefined,
  password: string,
): Promise<boolean> {
  try {
    return await passwords.verify(user?.passwordHash, password, priorityOf(attempt));
  } catch (error) {
    await attempt.end('undone');
    throw error;
  }
}
