import { randomUUID } from 'node:crypto';
import { insertPanelSession, insertSession } from '../../db/sessions.ts';
import type { LoginRow } from '../../db/users.ts';
import { Problem } from '../../domain/problems.ts';
import {
  checkCredentials,
  type CredentialDeps,
  type Credentials,
  type Visitor,
} from './check-credentials.ts';
import { hashToken, newToken } from './tokens.ts';

export interface LoggedIn {
  user: LoginRow;
  sessionId: string;
  /** The session's secret, for its cookie: the first refresh token, or the panel's token. Only its hash is stored. */
  token: string;
  /** The device cookie's next value. */
  deviceCookie: string;
}

/**
 * Logs in to the API: begins a session, a family of refresh tokens.
 * @throws Problem invalid_credentials, too_many_requests, overloaded
 */
export async function logIn(
  deps: CredentialDeps,
  credentials: Credentials,
  visitor: Visitor,
): Promise<LoggedIn> {
  return begin(deps, await checkCredentials(deps, credentials, visitor), visitor, insertSession);
}

/**
 * Logs in to the staff panel, throttled together with the API's login.
 * @returns an account that is not staff's, when that is all that is wrong; no session is begun for it
 * @throws Problem invalid_credentials, too_many_requests, overloaded
 */
export async function logInToPanel(
  deps: CredentialDeps,
  credentials: Credentials,
  visitor: Visitor,
): Promise<LoggedIn | { notStaff: LoginRow }> {
  const user = await checkCredentials(deps, credentials, visitor);
  return user.isStaff ? begin(deps, user, visitor, insertPanelSession) : { notStaff: user };
}

async function begin(
  { db, devices }: CredentialDeps,
  user: LoginRow,
  { deviceCookie }: Visitor,
  insert: typeof insertSession,
): Promise<LoggedIn> {
  const token = newToken();
  const sessionId = randomUUID();
  // The password may have been reset, or the account deactivated, since it was checked.
  const begun = await insert(db, user, { id: sessionId, tokenHash: hashToken(token) });
  if (!begun) throw new Problem('invalid_credentials');
  return { user, sessionId, token, deviceCookie: devices.remember(deviceCookie, user.id) };
}
