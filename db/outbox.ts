import type { BookingChange, PaymentEvent, RefundInput } from '../domain/messages.ts';
import { type Db, prepared, rows } from './knex.ts';

/** A message that the relay delivers to Temporal. Ids only; `summary` names a room and a time, never a person. */
export type Message =
  | { topic: 'start_booking'; payload: { bookingRef: string; summary: string } }
  | { topic: 'booking_changed'; payload: BookingChange }
  | { topic: 'payment'; payload: PaymentEvent }
  | { topic: 'orphan_payment'; payload: PaymentEvent }
  | { topic: 'refund'; payload: RefundInput };

export type OutboxRow = Message & { id: string; attempts: number; ageMs: number };

/**
 * The topics that this build can deliver. While two builds run side by side one may find a message of the other: it
 * must neither deliver nor delete an unknown topic.
 */
const knownTopics: readonly Message['topic'][] = [
  'start_booking',
  'booking_changed',
  'payment',
  'orphan_payment',
  'refund',
];

/**
 * Leases the messages that are due and of a known topic, payments before starts. Any number of relays may claim at
 * once; a lease that runs out makes the message due again, so it is delivered at least once.
 */
export async function claimMessages(db: Db, limit: number, leaseMs: number): Promise<OutboxRow[]> {
  return prepared<OutboxRow>(
    db,
    'claim_messages',
    `update outbox set available_at = clock_timestamp() + ? * interval '1 millisecond'
      where id in (
        select id from outbox
         where dead_at is null and available_at <= (select clock_timestamp()) and topic = any(?)
         order by priority, available_at limit ? for update skip locked
      )
      returning id, topic, payload, attempts,
        extract(epoch from clock_timestamp() - created_at)::float8 * 1000 as "ageMs"`,
    [leaseMs, knownTopics, limit],
  );
}

/** Deletes delivered messages. */
export async function deleteMessages(db: Db, ids: string[]): Promise<void> {
  await prepared(db, 'delete_messages', 'delete from outbox where id = any(?)', [ids]);
}

/**
 * Counts a failure that the message itself caused, and schedules a retry or parks it with a flag for staff. The flag is
 * raised again when a message that staff resent fails for good again.
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
     select raise_flag('message_dead', id::text, 'A message to the workflows could not be delivered: ' || topic)
       from put where dead_at is not null`,
    [trouble.error.slice(0, 500), trouble.retryInMs, trouble.dead, id],
  );
}

export interface OutboxDepth {
  waiting: number;
  dead: number;
  /** How many waiting messages have a topic that this build does not know: they wait for a newer build. */
  unknown: number;
  oldestMs: number;
}

/**
 * How many messages wait, and the age of the oldest that Temporal has not accepted. A message that is retried because
 * of its own failure, or that has an unknown topic, says nothing about Temporal and is left out. A leased message
 * counts, since leases are renewed while Temporal is down. The count stops at 10,000.
 */
export async function outboxDepth(db: Db): Promise<OutboxDepth> {
  const [depth] = await rows<OutboxDepth>(
    db,
    `select count(*) filter (where dead_at is null)::int as waiting,
            count(*) filter (where dead_at is not null)::int as dead,
            count(*) filter (where dead_at is null and not known)::int as unknown,
            coalesce(max(extract(epoch from clock_timestamp() - created_at))
              filter (where dead_at is null and last_error is null and known), 0)::float8 * 1000 as "oldestMs"
       from (select dead_at, last_error, created_at, topic = any(?) as known from outbox order by id limit 10000) sample`,
    [knownTopics] as never,
  );
  return depth ?? { waiting: 0, dead: 0, unknown: 0, oldestMs: 0 };
}
