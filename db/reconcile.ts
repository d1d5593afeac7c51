import { type Db, rows } from './knex.ts';

/**
 * The questions that the reconciler asks: what should not be, and no message will repair. Each reads an index that holds
 * what is open or wrong, never what has been.
 */

/** A booking that changed this lately is left to its own messages. */
const quiet = `interval '15 seconds'`;

const isOpen = `(b.status = 'pending' or (b.status = 'confirmed' and upper(b.during) > (select clock_timestamp())))`;

const isQuiet = `b.updated_at < (select clock_timestamp() - ${quiet})`;

export interface OpenBooking {
  id: number;
  /** The workflow that owns it. */
  workflowId: string;
  /** Nothing about it has changed for a while, and its stay is not over: its workflow must be running. */
  settled: boolean;
}

/** The open bookings after `afterId`, by id: a page of the sweep through all of them. */
export async function listOpenBookings(db: Db, afterId: number, limit: number): Promise<OpenBooking[]> {
  return rows(
    db,
    `select b.id, b.workflow_id as "workflowId", ${isOpen} and ${isQuiet} as settled from bookings b
      where b.status in ('pending', 'confirmed') and b.id > ? order by b.id limit ?`,
    [afterId, limit],
  );
}

const noMessageOfBooking = `not exists (
  select 1 from outbox o where o.dead_at is null and o.payload ->> 'bookingRef' = b.ref::text)`;
/** Whatever was seen of a booking before counts only if this still holds under its lock. */
const isAsItWas = `b.id = ? and b.workflow_id = ? and ${isOpen} and ${isQuiet}`;

/** Those of the bookings that are still open, quiet, of the same owner, and without a message under way. */
export async function findLost(db: Db, bookings: readonly OpenBooking[]): Promise<OpenBooking[]> {
  if (bookings.length === 0) return [];
  const found = await rows<{ id: number }>(
    db,
    `select b.id from unnest(?::integer[], ?::text[]) as asked (id, workflow_id)
       join bookings b on b.id = asked.id and b.workflow_id = asked.workflow_id
      where ${isOpen} and ${isQuiet} and ${noMessageOfBooking}`,
    [bookings.map(({ id }) => id), bookings.map(({ workflowId }) => workflowId)],
  );
  const lost = new Set(found.map(({ id }) => id));
  return bookings.filter(({ id }) => lost.has(id));
}

/**
 * Leaves the message that starts the workflow again which owns a booking: its own, or that of a late payment. If a late
 * payment without a payment row owned it, that id cannot be built again, so the booking gets a new owner, named as the
 * relay will name it (api/relay/workflow-client.ts).
 * @returns false when the booking has changed meanwhile, or somebody is changing it now
 */
export async function restartWorkflow(db: Db, { id, workflowId }: OpenBooking): Promise<boolean> {
  const left = await rows(
    db,
    `with lost as (
       select b.* from bookings b where ${isAsItWas} for no key update skip locked
     ), planned as (
       select b.id as booking_id, p.id is not null as is_late,
              case when p.id is null
                then jsonb_build_object('bookingRef', b.ref, 'summary',
                       'Room ' || b.room_id || ', ' || b.booking_date || ' (started again by the reconciler)')
                else jsonb_strip_nulls(jsonb_build_object('bookingRef', b.ref,
                       'paymentRef', case when b.workflow_id = 'late-payment-' || p.ref then p.ref end,
                       'intentId', p.stripe_payment_intent_id, 'verify', false))
              end as payload
         from lost b
         left join payments p on p.id = b.confirmed_payment_id and b.workflow_id like 'late-payment-%'
     ), message as materialized (
       select booking_id, is_late, payload,
              leave_message(case when is_late then 'payment' else 'start_booking' end, payload) as id
         from planned
     ), renamed as (
       update bookings b set workflow_id = 'late-payment-' || (m.payload ->> 'intentId') || '-' || m.id
         from message m
        where b.id = m.booking_id and m.is_late and m.payload ->> 'paymentRef' is null
     )
     select 1 from message`,
    [id, workflowId],
  );
  return left.length > 0;
}

/** Puts an open booking before staff whose workflow has ended: Temporal remembers as done what a restored database has not. */
export async function flagEndedWorkflow(db: Db, { id, workflowId }: OpenBooking): Promise<void> {
  const detail =
    'The booking is open, but Temporal has ended its workflow and does not repeat it (a restored database?). ' +
    'Delete that workflow in Temporal, and it is started again.';
  await rows(
    db,
    `with ended as (
       select b.id from bookings b where ${isAsItWas} and ${noMessageOfBooking} for no key update skip locked
     )
     select raise_flag('workflow_ended', ?, ?, id, true) from ended`,
    [id, workflowId, workflowId, detail],
  );
}

// What is wrong is chosen first, as few rows as are worked on, and joined afterwards: the planner cannot know how few there
// are. In no order: where some cannot be repaired for days, the others must get their turn.

/** Refs of bookings that are over, or paid for, and still have a PaymentIntent that could be paid. */
export async function findDeadWithOpenIntent(db: Db, limit: number): Promise<string[]> {
  const found = await rows<{ ref: string }>(
    db,
    `select distinct b.ref
       from (select p.booking_id from payments p where p.close_wanted and is_payable(p) order by random() limit ?) open
      cross join lateral (select * from bookings where id = open.booking_id limit 1) b
      where b.status <> 'pending' and b.updated_at < (select clock_timestamp() - interval '30 seconds')`,
    [limit],
  );
  return found.map((row) => row.ref);
}

/** No message about this payment is under way, and none was set aside: that one is staff's, and has its flag. */
const noMessageOfPayment = `
  not exists (select 1 from outbox o where o.dead_at is null and o.priority = 1 and o.payload ->> 'paymentRef' = p.ref::text)
  and not exists (select 1 from outbox o where o.dead_at is not null and o.payload ->> 'paymentRef' = p.ref::text)`;

/** `limit 1` keeps the planner to one look by the key for each row. */
const bookingOfPayment = 'cross join lateral (select * from bookings where id = p.booking_id limit 1) b';
const paymentOfRefund = 'cross join lateral (select * from payments where id = f.payment_id limit 1) p';

/** Money that nothing was decided about: it is no booking's, and was not refunded. */
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
               from (${undecided(quiet)}) p ${bookingOfPayment}
              where ${noMessageOfPayment}) untold`,
    [limit],
  );
  return left.length;
}

/**
 * Leaves the message that starts the workflow of a refund again which Stripe has not been asked for yet. One that was
 * given up is a person's.
 */
export async function enqueuePendingRefunds(db: Db, limit: number): Promise<number> {
  const left = await rows(
    db,
    `select leave_message('refund', payload)
       from (select jsonb_build_object('paymentRef', p.ref, 'bookingRef', b.ref) as payload
               from (select f.payment_id from refunds f
                      where f.status = 'pending' and f.updated_at < (select clock_timestamp() - interval '1 minute')
                      order by random() limit ?) f
              ${paymentOfRefund} ${bookingOfPayment}
              where not exists (select 1 from flags g
                                 where g.kind = 'refund_stuck' and g.subject = p.stripe_payment_intent_id)
                and ${noMessageOfPayment}) unsent`,
    [limit],
  );
  return left.length;
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

/** Puts money before staff that has not been decided about for half an hour, however often a workflow was asked to. */
export function flagUndecidedMoney(db: Db, limit: number): Promise<number> {
  return raiseFlags(
    db,
    `select raise_flag('payment_undecided', coalesce(stripe_payment_intent_id, ref::text),
                       'Paid half an hour ago, and neither kept nor refunded yet; it is tried again by itself.',
                       booking_id, true) as raised
       from (${undecided("interval '30 minutes'")}) undecided`,
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
