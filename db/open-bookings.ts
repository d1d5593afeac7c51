import { type Db, rows } from './knex.ts';

/** What the reconciler asks and does about open bookings, each of which has a workflow that must be running. */

/** A booking that changed this lately is left to its own messages. */
export const quiet = `interval '15 seconds'`;

/** As a condition on the row `b` of bookings. */
export const isOpen = `(b.status = 'pending' or (b.status = 'confirmed' and upper(b.during) > (select clock_timestamp())))`;

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
