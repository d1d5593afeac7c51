import { createHash, randomUUID } from 'node:crypto';
import type { Context } from 'koa';
import type { Db } from '../db/knex.ts';
import { claimKey, releaseKey, storeResult } from '../db/idempotency-keys.ts';
import { idempotencyKeyCharsMax } from '../domain/limits.ts';
import { Problem } from '../domain/problems.ts';
import type { Caller } from './auth/caller.ts';

/** Visible ASCII, up to `idempotencyKeyCharsMax` of it. */
export const idempotencyKeyPattern = /^[\x21-\x7e]+$/;

/** What a run has done: the answer, and the id that the key stores to rebuild the answer from. */
export interface Result<R> {
  resultId: number;
  answer: R;
  /** The transaction of the run itself has stored the id. */
  alreadyStored?: boolean;
}

interface Request<R> {
  ctx: Context;
  caller: Caller;
  operation: string;
  body: unknown;
  /** Does what the request asks for. `leaseId` lets its own transaction store the result. */
  run(leaseId: string | null): Promise<Result<R>>;
  /** The answer again, from what the first run stored. */
  rebuild(resultId: number): Promise<R>;
}

/**
 * Honours the `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header): the same key and body get the
 * first answer again, another body is refused, and a refusal releases the key. Keys are per user and live a day.
 * @throws Problem invalid_idempotency_key, idempotency_key_reused, request_in_progress
 */
export async function answerOnce<R>(db: Db, request: Request<R>): Promise<R> {
  const key = request.ctx.headers['idempotency-key'];
  if (key === undefined) return (await request.run(null)).answer;
  if (typeof key !== 'string' || key.length > idempotencyKeyCharsMax || !idempotencyKeyPattern.test(key)) {
    const detail = `Use 1 to ${idempotencyKeyCharsMax} visible ASCII characters, for example a UUID.`;
    throw new Problem('invalid_idempotency_key', { detail });
  }
  const fingerprint = createHash('sha256').update(canonicalJson(request.body)).digest();
  const call = { userId: request.caller.userId, operation: request.operation, key, fingerprint };
  const claim = await claimKey(db, call, randomUUID());
  switch (claim.outcome) {
    case 'claimed':
      return runClaimed(db, request, claim.leaseId);
    case 'answered':
      request.ctx.set('Idempotent-Replayed', 'true');
      return request.rebuild(claim.resultId);
    case 'running':
      throw new Problem('request_in_progress', { retryAfterSeconds: 1 });
    case 'mismatch':
      throw new Problem('idempotency_key_reused');
  }
}

async function runClaimed<R>(db: Db, request: Request<R>, leaseId: string): Promise<R> {
  try {
    const result = await request.run(leaseId);
    if (!result.alreadyStored) await storeResult(db, leaseId, result.resultId);
    return result.answer;
  } catch (error) {
    // A refusal is not stored: the same request may succeed later. After any other error it is unknown what was done,
    // so the lease runs out by itself, as for a request that goes on after its deadline (mount.ts).
    if (error instanceof Problem) await releaseKey(db, leaseId);
    throw error;
  }
}

/** The same text for the same values, whatever the order of the fields. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
