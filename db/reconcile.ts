import { type Db, rows } from './knex.ts';

/** The questions that the reconciler asks: what should not be, and no message will repair. */

/** Open bookings that have had time to get their workflow, a random sample: each with the id of its owner. */
export async function sampleOpenBookings(
  db: Db,
  limit: number,
): Promise<{ id: number; ref: string; workflowId: string }[]> {
  return rows(
    db,
    `select b.id, b.ref, b.workflow_id as "workflowId" from bookings b
      where (b.status = 'pending' or (b.status = 'confirmed' and upper(b.during) > clock_timestamp()))
        and b.updated_at < clock_timestamp() - interval '15 seconds'
        and not exists (select 1 from outbox o where o.dead_at is null and o.payload ->> 'bookingRef' = b.ref::text)
      order by random() limit ?`,
    [limit],
  );
}

/**
 * Leaves the message that starts the workflow again which owns a booking: its own, or that of late money. One of late
 * money that is not named after the payment (it had no row yet) has no name that a message could give it again: the
 * booking gets a new owner, named as the relay will name it (api/workflow-client.ts).
 */
export async function enqueueStart(db: Db, bookingRef: string): Promise<void> {
  await rows(
    db,
    `with message as (
       insert into outbox (topic, priority, payload)
       select case when p.id is null then 'start_booking' else 'payment' end, 2,
              case when p.id is null
                then jsonb_build_object('bookingRef', b.ref, 'summary',
                       'Room ' || b.room_id || ', ' || b.booking_date || ' (started again by the reconciler)')
                else jsonb_strip_nulls(jsonb_build_object('bookingRef', b.ref,
                       'paymentRef', case when b.workflow_id = 'late-payment-' || p.ref then p.ref end,
                       'intentId', p.stripe_payment_intent_id, 'verify', false))
              end
         from bookings b
         left join payments p on p.id = b.confirmed_payment_id and b.workflow_id like 'late-payment-%'
        where b.ref = ?
       returning id, topic, payload
     )
     update bookings b set workflow_id = 'late-payment-' || (m.payload ->> 'intentId') || '-' || m.id
       from message m
      where b.ref = ? and m.topic = 'payment' and m.payload ->> 'paymentRef' is null`,
    [bookingRef, bookingRef],
  );
}

/** Refs of bookings that are over, or paid for, and still have a PaymentIntent that could be paid. */
export async function findDeadWithOpenIntent(db: Db, limit: number): Promise<string[]> {
  const found = await rows<{ ref: string }>(
    db,
    `select distinct b.ref from payments p join bookings b on b.id = p.booking_id
      where p.status not in ('succeeded', 'canceled') and b.status <> 'pending'
        and b.updated_at < clock_timestamp() - interval '30 seconds'
      limit ?`,
    [limit],
  );
  return found.map((row) => row.ref);
}

/**
 * Leaves the message that makes a workflow decide on money that nothing has been decided about: succeeded, not
 * what confirmed its booking, and not refunded.
 */
export async function enqueueUndecidedMoney(db: Db, limit: number): Promise<number> {
  const left = await rows(
    db,
    `insert into outbox (topic, priority, payload)
     select 'payment', 1, jsonb_build_object('bookingRef', b.ref, 'paymentRef', p.ref,
                                             'intentId', p.stripe_payment_intent_id, 'verify', false)
       from payments p join bookings b on b.id = p.booking_id
      where p.status = 'succeeded' and p.updated_at < clock_timestamp() - interval '15 seconds'
        and p.updated_at > clock_timestamp() - interval '720 hours'
        and p.id is distinct from b.confirmed_payment_id
        and not exists (select 1 from refunds f where f.payment_id = p.id)
        and not exists (select 1 from outbox o where o.dead_at is null and o.payload ->> 'paymentRef' = p.ref::text)
      limit ? returning id`,
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
    `insert into outbox (topic, priority, payload)
     select 'refund', 1, jsonb_build_object('paymentRef', p.ref, 'bookingRef', b.ref)
       from refunds f join payments p on p.id = f.payment_id join bookings b on b.id = p.booking_id
      where f.status = 'pending' and f.updated_at < clock_timestamp() - interval '1 minute'
        and not exists (select 1 from flags g where g.kind = 'refund_stuck' and g.subject = p.stripe_payment_intent_id)
        and not exists (select 1 from outbox o where o.dead_at is null and o.payload ->> 'paymentRef' = p.ref::text)
      limit ? returning id`,
    [limit],
  );
  return left.length;
}

/** Puts before staff what no program can explain: a confirmed booking whose payment is not a success. */
export async function flagUnpaidConfirmed(db: Db): Promise<number> {
  const flagged = await rows(
    db,
    `insert into flags (kind, subject, detail, booking_id)
     select 'confirmed_unpaid', b.ref::text, 'Confirmed, but its payment is ' || p.status || '.', b.id
       from bookings b join payments p on p.id = b.confirmed_payment_id
      where b.status = 'confirmed' and p.status <> 'succeeded'
     on conflict do nothing returning id`,
  );
  return flagged.length;
}

/** Puts refunds before staff that Stripe has not taken for a quarter of an hour; they are tried on all the same. */
export async function flagSlowRefunds(db: Db): Promise<number> {
  const flagged = await rows(
    db,
    `insert into flags (kind, subject, detail, booking_id)
     select 'refund_slow', p.stripe_payment_intent_id, 'Not taken by Stripe for 15 minutes; it is tried again by itself.',
            p.booking_id
       from refunds f join payments p on p.id = f.payment_id
      where f.status = 'pending' and f.created_at < clock_timestamp() - interval '15 minutes'
     on conflict do nothing returning id`,
  );
  return flagged.length;
}
