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
        -- A payment may be processing for days, and is asked for by the workflow.
        and (p.status <> 'processing' or p.updated_at < clock_timestamp() - interval '30 minutes')
      limit ?`,
    [limit],
  );
  return found.map((row) => row.ref);
}

/** Leaves the message that makes a workflow decide on money that nothing has been decided about. */
export async function enqueueUndecidedMoney(db: Db, limit: number): Promise<number> {
  const left = await rows(
    db,
    `insert into outbox (topic, priority, payload)
     select 'payment', 1, jsonb_build_object('bookingRef', b.ref, 'paymentRef', p.ref,
                                             'intentId', p.stripe_payment_intent_id, 'verify', false)
       from payments p join bookings b on b.id = p.booking_id
      where p.status = 'succeeded' and p.updated_at < clock_timestamp() - interval '15 seconds'
        and p.decision is null
        and not exists (select 1 from outbox o where o.dead_at is null and o.payload ->> 'paymentRef' = p.ref::text)
      limit ? returning id`,
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
    `insert into outbox (topic, priority, payload)
     select 'refund', 1, jsonb_build_object('refundRef', f.ref, 'bookingRef', b.ref)
       from refunds f join bookings b on b.id = f.booking_id
      where f.status = 'pending' and f.updated_at < clock_timestamp() - interval '1 minute'
        and not exists (select 1 from outbox o where o.dead_at is null and o.payload ->> 'refundRef' = f.ref::text)
      limit ? returning id`,
    [limit],
  );
  return left.length;
}

/**
 * Puts money before staff that nothing was decided about in many rounds, and takes back what was decided since.
 * @returns how many flags were raised
 */
export async function flagUndecidedMoney(db: Db): Promise<number> {
  const flagged = await rows(
    db,
    `with decided as (
       update flags g set resolved_at = clock_timestamp() from payments p
        where g.kind = 'payment_undecided' and g.resolved_at is null
          and p.stripe_payment_intent_id = g.subject and p.decision is not null
     )
     insert into flags (kind, subject, detail, booking_id)
     select 'payment_undecided', p.stripe_payment_intent_id,
            'Paid, but neither kept nor given back for ten minutes; its workflow is sent for every minute.', p.booking_id
       from payments p
      where p.status = 'succeeded' and p.decision is null
        and p.updated_at < clock_timestamp() - interval '10 minutes' and p.stripe_payment_intent_id is not null
     on conflict (kind, subject) do update set resolved_at = null, created_at = now()
      where flags.resolved_at is not null
     returning id`,
  );
  return flagged.length;
}

/**
 * Decides again on the refund of money that was to go back and of which no refund is known: a database that was restored,
 * or a failover, has lost it. Stripe's own refunds are asked for before it is sent, and a refund that failed is staff's.
 * @returns how many
 */
export async function restoreLostRefunds(db: Db, limit: number): Promise<number> {
  const lost = await rows<{ id: number }>(
    db,
    `select p.id from payments p
      where p.decision = 'returned' and p.refunding_minor + p.disputed_minor < p.amount_received_minor
        and p.updated_at < clock_timestamp() - interval '1 minute'
        and not exists (select 1 from refunds f where f.payment_id = p.id and f.status = 'failed')
        and not exists (select 1 from parked_facts k where k.stripe_payment_intent_id = p.stripe_payment_intent_id)
      limit ?`,
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
