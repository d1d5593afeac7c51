import { createHash, randomUUID } from 'node:crypto';
import type { Context } from 'koa';
import type { Db } from '../db/knex.ts';
import { claimKey, keepAnswer, releaseKey } from '../db/idempotency-keys.ts';
import { idempotencyKeyCharsMax } from '../domain/limits.ts';
import { Problem } from '../domain/problems.ts';
import type { Caller } from './route.ts';

/** Visible ASCII, up to `idempotencyKeyCharsMax` of it. */
export const idempotencyKeyPattern = /^[\x21-\x7e]+$/;

/** What a run made, for the key to remember, beside its answer. */
export interface Made<R> {
  madeId: number;
  answer: R;
  /** The id is on record already, in the transaction that made the thing. */
  kept?: boolean;
}

interface Request<R> {
  ctx: Context;
  caller: Caller;
  operation: string;
  body: unknown;
  /** Does what is asked; is given the lease that a transaction of its own can close. */
  run(leaseId: string | null): Promise<Made<R>>;
  /** The answer again, from what the first run made. */
  rebuild(madeId: number): Promise<R>;
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
      return request.rebuild(claim.madeId);
    case 'running':
      throw new Problem('request_in_progress', { headers: { 'Retry-After': '1' } });
    case 'mismatch':
      throw new Problem('idempotency_key_reused');
  }
}

async function runClaimed<R>(db: Db, request: Request<R>, leaseId: string): Promise<R> {
  try {
    const made = await request.run(leaseId);
    if (!made.kept) await keepAnswer(db, leaseId, made.madeId);
    return made.answer;
  } catch (error) {
    // A refusal, whoever is at fault, is no answer worth keeping. After anything else nobody knows what was done: the
    // lease runs out by itself. So it does while a request goes on that was answered by its deadline (mount.ts).
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
