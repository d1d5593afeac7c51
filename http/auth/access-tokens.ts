import { createSecretKey, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { Context } from 'koa';
import { z } from 'zod';
import { accessTokenSeconds, clockToleranceSeconds } from '../../domain/limits.ts';
import { invalidToken, Problem } from '../../domain/problems.ts';
import type { Caller } from '../route.ts';

const algorithm = 'HS256';
const issuer = 'booking-service';
const audience = 'booking-api';
/** RFC 9068 §2.1: what an access token calls itself, so that no other token is taken for one. */
const type = 'at+jwt';

const claims = z.object({
  sub: z.string().regex(/^[1-9]\d{0,9}$/),
  sid: z.uuid(),
  iat: z.number(),
  exp: z.number(),
});

interface Verified {
  caller: Caller;
  expiresAtSeconds: number;
}

/** Tokens that were verified lately: a client sends one again and again, and checking it is a tenth of a request. */
const rememberedMax = 10_000;

/**
 * Access tokens: JWT, HS256 and nothing else, 30 minutes (RFC 8725). The first key signs; all of them verify, so
 * that a new key can be put in front without logging anybody out.
 */
export function createAccessTokens(secretKeys: readonly string[]) {
  // As key objects: given a string, jsonwebtoken tries to read it as a public key first, half a millisecond each time.
  const keys = secretKeys.map((key) => createSecretKey(Buffer.from(key)));
  const [signingKey] = keys;
  const remembered = new Map<string, Verified>();
  if (!signingKey) throw new Error('at least one key is needed');
  return {
    /** A token for one session of one user. */
    sign({ userId, sessionId }: Caller): string {
      return jwt.sign({ sid: sessionId }, signingKey, {
        algorithm,
        issuer,
        audience,
        subject: String(userId),
        expiresIn: accessTokenSeconds,
        header: { alg: algorithm, typ: type },
      });
    },
    /** Who the token speaks for; undefined if it is not one of ours, or too old. */
    verify(token: string): Caller | undefined {
      const known = remembered.get(token);
      if (known && !hasExpired(known)) return known.caller;
      for (const key of keys) {
        const verified = verifyWith(key, token);
        if (!verified) continue;
        if (remembered.size >= rememberedMax) remembered.clear();
        remembered.set(token, verified);
        return verified.caller;
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
    const caller = { userId: Number(parsed.data.sub), sessionId: parsed.data.sid };
    return { caller, expiresAtSeconds: parsed.data.exp };
  } catch {
    return undefined;
  }
}

export type AccessTokens = ReturnType<typeof createAccessTokens>;

/**
 * The caller of a request (RFC 6750).
 * @throws Problem unauthenticated, invalid_token
 */
export function authenticate(ctx: Context, tokens: AccessTokens): Caller {
  const header = ctx.get('Authorization');
  const token = /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(header)?.[1];
  if (!token) {
    const detail = 'Send the header "Authorization: Bearer <access token>"; POST /api/login/ gives one.';
    throw new Problem('unauthenticated', { detail, headers: { 'WWW-Authenticate': 'Bearer' } });
  }
  const caller = tokens.verify(token);
  if (!caller) throw invalidToken();
  return caller;
}
