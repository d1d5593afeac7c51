import { type Db, rows } from './knex.ts';
import { isOpen, quiet } from './open-bookings.ts';

/**
 * The questions that the reconciler asks, beside those about workflows (db/open-bookings.ts): what should not be, and no message will repair. Each reads an index that holds
 * what is open or wrong, never what has been.
 */

// What is wrong is chosen first, as few rows as are worked on, and joined afterwards: the planner cannot know how few there
// are. In no order: where some cannot be repaired for days, the others must get their turn.

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

/** No message that names this is under way, and none was set aside: that one is staff's, and has its flag. */
const noMessageWith = (name: 'paymentRef' | 'refundRef', ref: string) => `
  not exists (select 1 from outbox o where o.dead_at is null and o.priority = 1 and o.payload ->> '${name}' = ${ref}::text)
  and not exists (select 1 from outbox o where o.dead_at is not null and o.payload ->> '${name}' = ${ref}::text)`;

/** `limit 1` keeps the planner to one look by the key for each row. */
const bookingOf = (of: 'p' | 'f') =>
  `cross join lateral (select * from bookings where id = ${of}.booking_id limit 1) b`;

/** Money that nothing was decided about: neither kept nor given back. */
const undecided = (forAtLeast: string) => `
  select p.* from payments p
   where p.status = 'succeeded' and p.decision is null and p.updated_at < (select clock_timestamp() - ${forAtLeast})
   order by random() limit ?`;

/** Leaves the message that makes a workflow decide on money that nothing has been decided about. */
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
 * Leaves the message that starts the workflow of a refund again which Stripe has not taken yet. One that was given up is a
 * person's.
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
 * Decides again on the refund of money that was to go back and of which no refund is known: a database that was restored,
 * or a failover, has lost it. Stripe's own refunds are asked for before it is sent, and a refund that failed is staff's.
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
 * Puts before staff what no program can explain: of these bookings, those that are confirmed while their payment is not a
 * success.
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

/** Puts refunds before staff that Stripe has not taken for a quarter of an hour; they are tried on all the same. */
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

/** Puts money before staff that has not been decided about for ten minutes, however often a workflow was asked to. */
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

/** Resolves the flags of what the reconciler has found and is over by now. */
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
