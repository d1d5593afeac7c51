import { type Db, rows } from './knex.ts';
import { isOpen, quiet } from './open-bookings.ts';

/**
 * Queries of the reconciler, besides those about workflows (db/open-bookings.ts): states that should not exist and that
 * no message will repair. Each reads an index that holds only what is open or wrong, not the whole history.
 */

// The wrong rows are selected first, only as many as are worked on, and joined afterwards, because the planner cannot
// know how few there are. They come in no order: if some cannot be repaired for days, the others must still be reached.

/** Refs of bookings that are over, or paid for, and still have a PaymentIntent that could be paid. */
export async function findDeadWithOpenIntent(db: Db, limit: number): Promise<string[]> {
  const found = await rows<{ ref: string }>(
    db,
    `select distinct b.ref
       from (select p.booking_id from payments p
              where p.close_wanted and is_payable(p)
                -- A payment may be processing for days, and is asked for by the workflow.
                and (p.status <> 'processing' or p.updated_at < (select clock_timestamp() - interval '30 minutes'))
              order by random() limit ?) open
      cross join lateral (select * from bookings where id = open.booking_id limit 1) b
      where b.status <> 'pending' and b.updated_at < (select clock_timestamp() - interval '30 seconds')`,
    [limit],
  );
  return found.map((row) => row.ref);
}

/** No message about this is in delivery, and none is parked: a parked one has a flag and is left to staff. */
const noMessageWith = (name: 'paymentRef' | 'refundRef', ref: string) => `
  not exists (select 1 from outbox o where o.dead_at is null and o.priority = 1 and o.payload ->> '${name}' = ${ref}::text)
  and not exists (select 1 from outbox o where o.dead_at is not null and o.payload ->> '${name}' = ${ref}::text)`;

/** `limit 1` keeps the planner to one look by the key for each row. */
const bookingOf = (of: 'p' | 'f') =>
  `cross join lateral (select * from bookings where id = ${of}.booking_id limit 1) b`;

/** Paid payments that are still undecided: neither kept nor refunded. */
const undecided = (forAtLeast: string) => `
  select p.* from payments p
   where p.status = 'succeeded' and p.decision is null and p.updated_at < (select clock_timestamp() - ${forAtLeast})
   order by random() limit ?`;

/** Enqueues the message that makes a workflow decide on an undecided payment. */
export async function enqueueUndecidedMoney(db: Db, limit: number): Promise<number> {
  const left = await rows(
    db,
    `select leave_message('payment', payload)
       from (select jsonb_build_object('bookingRef', b.ref, 'paymentRef', p.ref,
                                       'intentId', p.stripe_payment_intent_id, 'verify', false) as payload
               from (${undecided(quiet)}) p ${bookingOf('p')}
              where ${noMessageWith('paymentRef', 'p.ref')}) untold`,
    [limit],
  );
  return left.length;
}

/**
 * Enqueues the message that restarts the workflow of a refund that Stripe has not accepted yet. A refund that was given
 * up is left to staff.
 */
export async function enqueuePendingRefunds(db: Db, limit: number): Promise<number> {
  const left = await rows(
    db,
    `select leave_message('refund', payload)
       from (select jsonb_build_object('refundRef', f.ref, 'bookingRef', b.ref) as payload
               from (select f.ref, f.booking_id from refunds f
                      where f.status = 'pending' and f.updated_at < (select clock_timestamp() - interval '1 minute')
                      order by random() limit ?) f
              ${bookingOf('f')}
              where ${noMessageWith('refundRef', 'f.ref')}) unsent`,
    [limit],
  );
  return left.length;
}

/**
 * Decides again on a refund that has no row although its payment was to be refunded: a restored database or a failover
 * has lost it. Stripe's own refunds are listed before it is sent, and a refund that failed is left to staff.
 * @returns how many
 */
export async function restoreLostRefunds(db: Db, limit: number): Promise<number> {
  const lost = await rows<{ id: number }>(
    db,
    `select p.id
       from (select * from payments p
              where p.decision = 'returned' and p.refunding_minor + p.disputed_minor < p.amount_received_minor
                and p.updated_at < (select clock_timestamp() - interval '1 minute')) p
      where not exists (select 1 from refunds f where f.payment_id = p.id and f.status = 'failed')
        and not exists (select 1 from parked_facts k where k.stripe_payment_intent_id = p.stripe_payment_intent_id)
      order by random() limit ?`,
    [limit],
  );
  let restored = 0;
  for (const { id } of lost) {
    restored += await db.transaction(async (trx) => {
      const [made] = await rows<{ id: number | null }>(
        trx,
        `select refund_payment(p.id, 'staff:restored-' || gen_random_uuid()) as id
           from payments p, lateral (select lock_payment(p.id)) locked where p.id = ?`,
        [id],
      );
      return made?.id ? 1 : 0;
    });
  }
  return restored;
}

/** Runs a statement that raises flags. @returns how many are newly raised */
async function raiseFlags(db: Db, sql: string, values: readonly unknown[]): Promise<number> {
  const raised = await rows<{ raised: boolean }>(db, sql, values);
  return raised.filter((row) => row.raised).length;
}

/**
 * Flags, of these bookings, those that are confirmed although their payment has not succeeded: no program can repair
 * that.
 */
export function flagUnpaidConfirmed(db: Db, bookingIds: readonly number[]): Promise<number> {
  return raiseFlags(
    db,
    `select raise_flag('confirmed_unpaid', b.ref::text, 'Confirmed, but its payment is ' || p.status || '.', b.id, true)
              as raised
       from bookings b
      cross join lateral (select * from payments where id = b.confirmed_payment_id limit 1) p
      where b.id = any(?) and b.status = 'confirmed' and p.status <> 'succeeded'`,
    [bookingIds],
  );
}

/** Flags refunds that Stripe has not accepted for a quarter of an hour; they are still retried. */
export function flagSlowRefunds(db: Db, limit: number): Promise<number> {
  return raiseFlags(
    db,
    `select raise_flag('refund_slow', coalesce(p.stripe_payment_intent_id, p.ref::text),
                       'Not taken by Stripe for 15 minutes; it is tried again by itself.', p.booking_id, true) as raised
       from (select f.payment_id from refunds f
              where f.status = 'pending' and f.created_at < (select clock_timestamp() - interval '15 minutes')
              limit ?) slow
      cross join lateral (select * from payments where id = slow.payment_id limit 1) p`,
    [limit],
  );
}

/** Flags payments that have been undecided for ten minutes although a workflow was asked to decide. */
export function flagUndecidedMoney(db: Db, limit: number): Promise<number> {
  return raiseFlags(
    db,
    `select raise_flag('payment_undecided', coalesce(stripe_payment_intent_id, ref::text),
                       'Paid, but neither kept nor given back for ten minutes; its workflow is sent for every minute.',
                       booking_id, true) as raised
       from (${undecided("interval '10 minutes'")}) undecided`,
    [limit],
  );
}

/** Resolves the flags of problems that the reconciler had found and that are gone. */
export async function endOutdatedFlags(db: Db): Promise<void> {
  await rows(
    db,
    `select end_flags(array(
       select g.id from flags g
        where g.standing and not case g.kind
          when 'confirmed_unpaid' then exists (
            select 1 from bookings b join payments p on p.id = b.confirmed_payment_id
             where b.id = g.booking_id and b.status = 'confirmed' and p.status <> 'succeeded')
          when 'workflow_ended' then exists (
            select 1 from bookings b where b.id = g.booking_id and b.workflow_id = g.subject and ${isOpen})
          when 'refund_slow' then exists (
            select 1 from payments p join refunds f on f.payment_id = p.id
             where p.booking_id = g.booking_id and f.status = 'pending'
               and g.subject in (p.stripe_payment_intent_id, p.ref::text))
          when 'payment_undecided' then exists (
            select 1 from payments p
             where p.booking_id = g.booking_id and p.status = 'succeeded' and p.decision is null
               and g.subject in (p.stripe_payment_intent_id, p.ref::text))
          else true
        end))`,
  );
}
