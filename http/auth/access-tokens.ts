import { createSecretKey, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { TokenSubject } from '../../core/accounts/check-session.ts';
import { accessTokenSeconds, clockToleranceSeconds } from '../../domain/limits.ts';

const algorithm = 'HS256';
const issuer = 'booking-service';
const audience = 'booking-api';
/** The type of an access token (RFC 9068, 2.1), so that no other token is accepted as one. */
const type = 'at+jwt';

const claims = z.object({
  sub: z.string().regex(/^[1-9]\d{0,9}$/),
  sid: z.uuid(),
  iat: z.number(),
  exp: z.number(),
});

interface Verified {
  subject: TokenSubject;
  expiresAtSeconds: number;
}

/** Verified tokens that are remembered: a client sends one again and again, and verifying takes a tenth of a request. */
const rememberedMax = 10_000;

/**
 * Access tokens: JWT, HS256 and nothing else, 30 minutes (RFC 8725). The first key signs; all of them verify, so
 * that a new key can be put in front without logging anybody out. They are signed with `SECRET_KEY` itself, not with a
 * key derived from it, so that another service that shares it can verify them with any JWT library.
 */
export function createAccessTokens(secretKeys: readonly string[]) {
  // Key objects, since jsonwebtoken tries to read a string as a public key first, which takes half a millisecond.
  const keys = secretKeys.map((key) => createSecretKey(Buffer.from(key)));
  const [signingKey] = keys;
  const remembered = new LRUCache<string, Verified>({ max: rememberedMax });
  if (!signingKey) throw new Error('at least one key is needed');
  return {
    /** A token for one session of one user. */
    sign({ userId, sessionId }: TokenSubject): string {
      return jwt.sign({ sid: sessionId }, signingKey, {
        algorithm,
        issuer,
        audience,
        subject: String(userId),
        expiresIn: accessTokenSeconds,
        header: { alg: algorithm, typ: type },
      });
    },
    /** The user and session of a token; undefined if it is not ours or has expired. The session may have ended since. */
    verify(token: string): TokenSubject | undefined {
      const known = remembered.get(token);
      if (known && !hasExpired(known)) return known.subject;
      for (const key of keys) {
        const verified = verifyWith(key, token);
        if (!verified) continue;
        remembered.set(token, verified);
        return verified.subject;
      }
      return undefined;
    },
  };
}

const hasExpired = ({ expiresAtSeconds }: Verified) =>
  Date.now() / 1000 >= expiresAtSeconds + clockToleranceSeconds;

function verifyWith(key: KeyObject, token: string): Verified | undefined {
  try {
    const { header, payload } = jwt.verify(token, key, {
      algorithms: [algorithm],
      issuer,
      audience,
      clockTolerance: clockToleranceSeconds,
      complete: true,
    });
    const parsed = claims.safeParse(payload);
    if (header.typ !== type || !parsed.success) return undefined;
    if (parsed.data.exp - parsed.data.iat > accessTokenSeconds) return undefined;
    const subject = { userId: Number(parsed.data.sub), sessionId: parsed.data.sid };
    return { subject, expiresAtSeconds: parsed.data.exp };
  } catch {
    return undefined;
  }
}

export type AccessTokens = ReturnType<typeof createAccessTokens>;
