import { type Db, prepared, rows } from './knex.ts';

export interface SettleLease {
  bookingId: number;
  /** How long ago the hold ended. */
  overdueMs: number;
  /** For how long Stripe has been asked since, without a final answer. */
  silentMs: number;
  /** How long until the stay begins: no payment under way is waited for beyond that. */
  startsInMs: number;
}

/**
 * Takes the lease on an overdue hold: one at a time talks to Stripe about it.
 * @returns undefined when the hold is not due, is settled already, or somebody else holds the lease
 */
export async function leaseOverdueHold(
  db: Db,
  bookingRef: string,
  leaseMs: number,
): Promise<SettleLease | undefined> {
  const [lease] = await rows<SettleLease>(
    db,
    `update bookings b
        set settle_lease_until = clock_timestamp() + ? * interval '1 millisecond'
      where b.ref = ? and is_overdue(b, clock_timestamp())
        and coalesce(b.settle_lease_until, '-infinity') < clock_timestamp()
      returning b.id as "bookingId",
        extract(epoch from clock_timestamp() - b.hold_expires_at)::float8 * 1000 as "overdueMs",
        b.stripe_silent_ms as "silentMs",
        extract(epoch from lower(b.during) - clock_timestamp())::float8 * 1000 as "startsInMs"`,
    [leaseMs, bookingRef],
  );
  return lease;
}

/**
 * Gives the lease back without a decision. `retryInMs` > 0 keeps everybody from asking again too soon; `silentMs` is how
 * long Stripe has been silent by now, those before included. A lease that was not given back counts for nothing.
 */
export async function releaseHoldLease(
  db: Db,
  bookingId: number,
  { retryInMs, silentMs }: { retryInMs: number; silentMs: number },
): Promise<void> {
  await rows(
    db,
    `update bookings set settle_lease_until = null, stripe_silent_ms = ?,
            settle_after = case when ? > 0 then clock_timestamp() + ? * interval '1 millisecond' else settle_after end
      where id = ? and status = 'pending'`,
    [Math.round(silentMs), retryInMs, retryInMs, bookingId],
  );
}

/** Refs of holds that are overdue by `lateMs` and that nobody is settling: the most overdue first. */
export async function findOverdueHolds(db: Db, lateMs: number, limit: number): Promise<string[]> {
  const found = await rows<{ ref: string }>(
    db,
    `select b.ref from bookings b
      where is_overdue(b, (select clock_timestamp() - ? * interval '1 millisecond'))
        and coalesce(b.settle_lease_until, '-infinity') < (select clock_timestamp())
      order by settle_at(b) limit ?`,
    [lateMs, limit],
  );
  return found.map((row) => row.ref);
}

/**
 * Expires a hold that was not paid, unless money for it is on record by now: one statement (db/schema/settle-hold.sql). `leased`:
 * the caller has leased the overdue hold, and Stripe has had its say. Without a lease a hold expires only if it is
 * overdue, nobody settles it, and no PaymentIntent of it could be paid.
 * @returns false when the hold stays as it is
 */
export async function expireHold(
  db: Db,
  hold: { bookingRef: string; actor: string; cause: string; leased: boolean },
): Promise<boolean> {
  const [row] = await prepared<{ done: boolean }>(
    db,
    'expire_hold',
    'select expire_hold(?, ?, ?, ?) as done',
    [hold.bookingRef, hold.actor, hold.cause, hold.leased],
  );
  return row?.done === true;
}

/**
 * Expires holds that are overdue by `lateMs` and that nobody began to pay for, at most `limit` of them, in one statement.
 * @returns how many
 */
export async function expireOverdueHolds(
  db: Db,
  { lateMs, limit, actor }: { lateMs: number; limit: number; actor: string },
): Promise<number> {
  const statement = 'select expire_overdue_holds(?, ?, ?) as expired';
  const [row] = await prepared<{ expired: number }>(db, 'expire_overdue_holds', statement, [
    lateMs,
    limit,
    actor,
  ]);
  return row?.expired ?? 0;
}
