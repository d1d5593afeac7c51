import type { BookingChange, PaymentEvent, RefundInput } from '../domain/messages.ts';
import { type Db, prepared, rows } from './knex.ts';

/** What the relay carries to Temporal. Ids only; `summary` names a room and a time, never a person. */
export type Message =
  | { topic: 'start_booking'; payload: { bookingRef: string; summary: string } }
  | { topic: 'booking_changed'; payload: BookingChange }
  | { topic: 'payment'; payload: PaymentEvent }
  | { topic: 'orphan_payment'; payload: PaymentEvent }
  | { topic: 'refund'; payload: RefundInput };

export type OutboxRow = Message & { id: string; attempts: number; ageMs: number };

/**
 * Leases the messages that are due, payments before starts. Any number of relays may claim at once; a lease that
 * runs out makes the message due again, so it is carried at least once.
 */
export async function claimMessages(db: Db, limit: number, leaseMs: number): Promise<OutboxRow[]> {
  return prepared<OutboxRow>(
    db,
    'claim_messages',
    `update outbox set available_at = clock_timestamp() + ? * interval '1 millisecond'
      where id in (
        select id from outbox where dead_at is null and available_at <= clock_timestamp()
         order by priority, available_at limit ? for update skip locked
      )
      returning id, topic, payload, attempts,
        extract(epoch from clock_timestamp() - created_at)::float8 * 1000 as "ageMs"`,
    [leaseMs, limit],
  );
}

/** Forgets delivered messages. */
export async function deleteMessages(db: Db, ids: string[]): Promise<void> {
  await prepared(db, 'delete_messages', 'delete from outbox where id = any(?)', [ids]);
}

/**
 * Counts a failure of its own and puts the message back for later, or aside with a flag for staff: raised again when it
 * was sent again and died again.
 */
export async function putBack(
  db: Db,
  id: string,
  trouble: { error: string; retryInMs: number; dead: boolean },
): Promise<void> {
  await rows(
    db,
    `with put as (
       update outbox set last_error = ?, attempts = attempts + 1,
              available_at = clock_timestamp() + ? * interval '1 millisecond',
              dead_at = case when ? then clock_timestamp() end
        where id = ? returning id, topic, dead_at
     )
     insert into flags (kind, subject, detail)
     select 'message_dead', id::text, 'A message to the workflows could not be delivered: ' || topic
       from put where dead_at is not null
     on conflict (kind, subject) do update set resolved_at = null, created_at = now(), detail = excluded.detail`,
    [trouble.error.slice(0, 500), trouble.retryInMs, trouble.dead, id],
  );
}

/**
 * How many messages wait, and how old the oldest is of those that Temporal has not taken. One that was put back for its
 * own fault waits for its next try: it says nothing of Temporal. One that is leased counts, since while Temporal is away
 * the leases are renewed again and again. Bounded: it counts to 10,000.
 */
export async function outboxDepth(db: Db): Promise<{ waiting: number; dead: number; oldestMs: number }> {
  const [depth] = await rows<{ waiting: number; dead: number; oldestMs: number }>(
    db,
    `select count(*) filter (where dead_at is null)::int as waiting,
            count(*) filter (where dead_at is not null)::int as dead,
            coalesce(max(extract(epoch from clock_timestamp() - created_at))
              filter (where dead_at is null and last_error is null), 0)::float8 * 1000 as "oldestMs"
       from (select dead_at, last_error, created_at from outbox order by id limit 10000) sample`,
  );
  return depth ?? { waiting: 0, dead: 0, oldestMs: 0 };
}
