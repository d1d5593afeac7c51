/** The queries that collect the evidence from Postgres. */

const micros = (column: string) => `(extract(epoch from ${column}) * 1000000)::float8`;

export const bookingsSql = `
  select b.id, ref, special_requests as key, room_id as "roomId", booking_date::text as date,
         (extract(epoch from start_time) / 60)::integer as "startMinute",
         (extract(epoch from end_time) / 60)::integer as "endMinute",
         ${micros('booking_date + start_time')} as "from", ${micros('booking_date + end_time')} as "to", status,
         upper(during) <= clock_timestamp() as "isOver", number_of_slots as "numberOfSlots",
         upper(during) < clock_timestamp() - interval '24 hours' as "isLongOver",
         during = tstzrange((booking_date + start_time) at time zone r.time_zone,
                            (booking_date + end_time) at time zone r.time_zone) as "followsRoomZone",
         amount_minor as "amountMinor", b.currency, ${micros('hold_expires_at')} as deadline,
         settle_after is not null as "wasProcessing", workflow_id as "workflowId",
         confirmed_payment_id as "confirmedPaymentId"
    from bookings b join rooms r on r.id = b.room_id order by b.id`;

/** If the server keeps no commit times, the row's own instant, which is slightly earlier, replaces them. */
export const movesSql = (commitTimes: boolean) => `
  select booking_id as "bookingId", from_status as "fromStatus", to_status as "toStatus", cause, actor,
         ${micros('at')} as at,
         ${micros(commitTimes ? 'pg_xact_commit_timestamp(xmin)' : 'at')} as "committedAt"
    from booking_events order by booking_id, ${commitTimes ? 'pg_xact_commit_timestamp(xmin), ' : ''}id`;

export const claimsSql = `
  select booking_id as "bookingId", room_id as "roomId", ${micros('lower(during)')} as "from",
         ${micros('upper(during)')} as "to"
    from claims`;

export const paymentsSql = `
  select id, booking_id as "bookingId", stripe_payment_intent_id as "intentId", status, decision,
         amount_received_minor as "receivedMinor"
    from payments`;

export const refundsSql = `
  select f.id, f.payment_id as "paymentId", f.booking_id as "bookingId", p.stripe_payment_intent_id as "intentId",
         f.status, f.reason, f.amount_minor as "amountMinor", f.stripe_refund_id as "stripeId",
         f.last_error as "lastError"
    from refunds f join payments p on p.id = f.payment_id`;

export const disputesSql =
  'select id, payment_id as "paymentId", amount_minor as "amountMinor", status from disputes';

export const flagsSql =
  'select kind, subject, booking_id as "bookingId", resolved_at is null as "isOpen" from flags';

export const outboxSql =
  'select id, topic, attempts, dead_at is not null as dead, last_error as "lastError" from outbox';
