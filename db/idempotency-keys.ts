import { idempotencyKeyHours, idempotencyLeaseMs } from '../domain/limits.ts';
import { type Db, rows } from './knex.ts';

export interface IdempotentCall {
  userId: number;
  operation: string;
  key: string;
  /** A hash of everything that makes the request what it is. */
  fingerprint: Buffer;
}

export type KeyClaim =
  | { outcome: 'claimed'; leaseId: string }
  | { outcome: 'answered'; resultId: number }
  | { outcome: 'running' }
  | { outcome: 'mismatch' };

/**
 * Claims a key for one run. A run that died without an answer loses its lease and is taken over; a key older than
 * its day is as good as new.
 */
export async function claimKey(db: Db, call: IdempotentCall, leaseId: string): Promise<KeyClaim> {
  const claimed = await rows(
    db,
    `insert into idempotency_keys as k (user_id, operation, key, fingerprint, lease_id, lease_until)
     values (?, ?, ?, ?, ?, clock_timestamp() + ? * interval '1 millisecond')
     on conflict (user_id, operation, key) do update
        set fingerprint = excluded.fingerprint, lease_id = excluded.lease_id, lease_until = excluded.lease_until,
            result_id = null, created_at = clock_timestamp()
      where k.created_at < clock_timestamp() - make_interval(hours => ?)
         or (k.result_id is null and k.lease_until < clock_timestamp() and k.fingerprint = excluded.fingerprint)
     returning k.lease_id`,
    [
      call.userId,
      call.operation,
      call.key,
      call.fingerprint,
      leaseId,
      idempotencyLeaseMs,
      idempotencyKeyHours,
    ],
  );
  if (claimed.length > 0) return { outcome: 'claimed', leaseId };
  const [stored] = await rows<{ fingerprint: Buffer; resultId: number | null }>(
    db,
    'select fingerprint, result_id as "resultId" from idempotency_keys where user_id = ? and operation = ? and key = ?',
    [call.userId, call.operation, call.key],
  );
  if (stored && !stored.fingerprint.equals(call.fingerprint)) return { outcome: 'mismatch' };
  if (stored?.resultId != null) return { outcome: 'answered', resultId: stored.resultId };
  return { outcome: 'running' };
}

/** Stores what a run has done, while it still has the lease. `hold_slot` does the same in its own transaction. */
export async function storeResult(db: Db, leaseId: string, resultId: number): Promise<void> {
  await rows(db, 'update idempotency_keys set result_id = ? where lease_id = ? and result_id is null', [
    resultId,
    leaseId,
  ]);
}

/** Frees a key whose run was refused: the same request may be tried again. */
export async function releaseKey(db: Db, leaseId: string): Promise<void> {
  await rows(db, 'delete from idempotency_keys where lease_id = ? and result_id is null', [leaseId]);
}
