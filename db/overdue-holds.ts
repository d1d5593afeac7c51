import { latestBy, type SecondClock } from './clocks.ts';
import { clockSkewMaxMs } from '../domain/limits.ts';
import type { Db } from './knex.ts';
import { sql } from './sql.ts';

export interface SettleLease {
  bookingId: number;
  /** How long ago the hold ended. */
  overdueMs: number;
  /** Time spent asking Stripe since then without a final answer. */
  silentMs: number;
  /** Time until the stay begins, the limit for waiting on a payment in progress. */
  startsInMs: number;
}

/**
 * Takes the lease on an overdue hold, so that only one process asks Stripe about it.
 * @returns undefined when the hold is not due, is settled already, or another process holds the lease
 */
export async function leaseOverdueHold(
  db: Db,
  bookingRef: string,
  leaseMs: number,
  secondClock: SecondClock = 'process',
): Promise<SettleLease | undefined> {
  const [lease] = await sql<SettleLease>(
    db,
    'lease_overdue_hold',
    `update bookings b
        set settle_lease_until = clock_timestamp() + :leaseMs * interval '1 millisecond'
      where b.ref = :bookingRef and is_overdue(b, least(clock_timestamp(), :latest::timestamptz))
        and coalesce(b.settle_lease_until, '-infinity') < clock_timestamp()
      returning b.id as booking_id,
        extract(epoch from clock_timestamp() - b.hold_expires_at)::float8 * 1000 as overdue_ms,
        b.stripe_silent_ms as silent_ms,
        extract(epoch from lower(b.during) - clock_timestamp())::float8 * 1000 as starts_in_ms`,
    { leaseMs, bookingRef, latest: latestBy(secondClock) },
  );
  return lease;
}

/**
 * Gives the lease back without a decision. With `retryInMs` > 0 the hold is not settled before that time has passed.
 * `silentMs` is how long Stripe has given no final answer, summed over all callers; the time of a caller that died with
 * its lease does not count.
 */
export async function releaseHoldLease(
  db: Db,
  bookingId: number,
  { retryInMs, silentMs }: { retryInMs: number; silentMs: number },
): Promise<void> {
  await sql(
    db,
    'release_hold_lease',
    `update bookings
        set settle_lease_until = null, stripe_silent_ms = :silentMs,
            settle_after = case when :retryInMs::float8 > 0
                                then clock_timestamp() + :retryInMs::float8 * interval '1 millisecond'
                                else settle_after end
      where id = :bookingId and status = 'pending'`,
    { bookingId, retryInMs, silentMs: Math.round(silentMs) },
  );
}

/** Refs of holds that are overdue by `lateMs` and are not being settled, the most overdue first. */
export async function findOverdueHolds(db: Db, lateMs: number, limit: number): Promise<string[]> {
  const found = await sql<{ ref: string }>(
    db,
    'find_overdue_holds',
    `select b.ref from bookings b
      where is_overdue(b, (select least(clock_timestamp(), :latest::timestamptz) - :lateMs * interval '1 millisecond'))
        and coalesce(b.settle_lease_until, '-infinity') < (select clock_timestamp())
      order by settle_at(b) limit :limit`,
    { lateMs, limit, latest: latestBy('process') },
  );
  return found.map((row) => row.ref);
}

/**
 * Expires a hold that was not paid, unless money for it is on record by now: one statement (db/schema/settle-hold.sql).
 * `leased`: the caller holds the lease of the overdue hold and has Stripe's answer. Without a lease a hold expires only
 * if it is overdue, is not being settled, and has no PaymentIntent that could be paid.
 * @returns false when the hold stays as it is
 */
export async function expireHold(
  db: Db,
  hold: { bookingRef: string; actor: string; cause: string; leased: boolean; secondClock?: SecondClock },
): Promise<boolean> {
  const { secondClock = 'process', ...named } = hold;
  const [row] = await sql<{ expired: boolean }>(
    db,
    'expire_hold',
    'select expire_hold(:bookingRef, :actor, :cause, :leased, :latest) as expired',
    { ...named, latest: latestBy(secondClock) },
  );
  return row?.expired === true;
}

/**
 * Expires holds that are overdue by `lateMs` and have no payment in progress, at most `limit` of them, in one
 * statement.
 * @returns how many
 */
export async function expireOverdueHolds(
  db: Db,
  { lateMs, limit, actor }: { lateMs: number; limit: number; actor: string },
): Promise<number> {
  const [row] = await sql<{ expired: number }>(
    db,
    'expire_overdue_holds',
    'select expire_overdue_holds(:lateMs, :limit, :actor, :latest) as expired',
    { lateMs, limit, actor, latest: latestBy('process') },
  );
  return row?.expired ?? 0;
}

/**
 * Corrects times that a database clock that was ahead has put off: a hold made then gets its full time from now on,
 * leases end, and messages become due. Runs only while the clocks agree. It checks the open holds with the latest
 * deadlines and the overdue ones, at most `limit` of each.
 * @returns how many holds and messages were corrected
 */
export async function endDelaysOfWrongClock(db: Db, limit: number): Promise<number> {
  const corrected = await sql(
    db,
    'end_delays_of_wrong_clock',
    `with clock as (select clock_timestamp() as now, clock_timestamp() + :clockSkewMaxMs * interval '1 ms' as latest),
     candidates as (
       (select b.id from bookings b where b.status = 'pending' order by settle_at(b) desc limit :limit)
       union
       (select b.id from bookings b
         where is_overdue(b, (select clock_timestamp())) and b.settle_lease_until is not null
         order by settle_at(b) limit :limit)
     ), corrected as (
       update bookings b
          set hold_expires_at = case when b.created_at > c.latest
                then least(c.now + (b.hold_expires_at - b.created_at), lower(b.during)) else b.hold_expires_at end,
              created_at = least(b.created_at, c.now),
              settle_after = case when b.settle_after <= c.latest then b.settle_after end,
              settle_lease_until = case when b.settle_lease_until <= c.latest then b.settle_lease_until end,
              updated_at = c.now
         from clock c
        where b.id = any(array(select id from candidates)) and b.status = 'pending'
          and (b.created_at > c.latest or b.settle_after > c.latest or b.settle_lease_until > c.latest)
       returning b.id, b.ref, b.workflow_id
     ), noted as (
       insert into booking_events (booking_id, actor, from_status, to_status, cause)
       select id, 'reconciler', 'pending', 'pending', 'clock_corrected' from corrected
     ), told as (
       select leave_message('booking_changed', jsonb_build_object('bookingRef', ref, 'workflowId', workflow_id))
         from corrected
     ), due as (
       update outbox o set available_at = c.now from clock c
        where o.dead_at is null and o.available_at > c.now + interval '1 hour' returning o.id
     )
     select 1 from told union all select 1 from due`,
    { clockSkewMaxMs, limit },
  );
  return corrected.length;
}
