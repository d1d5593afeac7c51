import type { Logger } from 'pino';
import type { Db } from '../../db/knex.ts';
import { rotateRefreshToken } from '../../db/sessions.ts';
import { Problem } from '../../domain/problems.ts';
import { unreachable } from '../../domain/unreachable.ts';
import type { DerivedKey } from '../derived-keys.ts';
import { hashToken } from './tokens.ts';

interface RefreshDeps {
  db: Db;
  log: Logger;
  refreshTokenKey: DerivedKey;
}

export interface Refreshed {
  userId: number;
  sessionId: string;
  refreshToken: string;
}

/**
 * Exchanges a refresh token for its successor. The successor is derived from it with a key, so that it can be given a
 * second time without being stored: within 30 s, and while nobody has used the successor, the token is that of a second
 * tab, or of a client that lost the answer. After that it is a stolen copy, and the whole family is revoked (RFC 9700,
 * 4.14.2).
 * @throws Problem invalid_refresh_token
 */
export async function refreshSession(
  { db, log, refreshTokenKey }: RefreshDeps,
  token: string,
): Promise<Refreshed> {
  // One successor for each SECRET_KEY: the token may have been exchanged while another key was the first.
  const successors = refreshTokenKey.signByEach(token).map((bytes) => bytes.toString('base64url'));
  const rotation = await rotateRefreshToken(db, hashToken(token), successors.map(hashToken));
  switch (rotation.outcome) {
    case 'rotated':
    case 'repeated': {
      const { userId, sessionId, successorHash } = rotation;
      const refreshToken = successors.find((successor) => hashToken(successor).equals(successorHash));
      if (refreshToken === undefined) throw new Error('the successor is none of those that were offered');
      return { userId, sessionId, refreshToken };
    }
    case 'reused':
      log.warn(
        { userId: rotation.userId, sessionId: rotation.sessionId },
        'refresh token reused; session revoked',
      );
      throw new Problem('invalid_refresh_token');
    case 'invalid':
      throw new Problem('invalid_refresh_token');
    default:
      return unreachable(rotation);
  }
}
