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
 * The topics that this build can deliver. While two builds run side by side one may find a message of the other's in the
 * table: it must neither deliver nor delete what it does not know.
 */
const knownTopics: readonly Message['topic'][] = [
  'start_booking',
  'booking_changed',
  'payment',
  'orphan_payment',
  'refund',
];

/**
 * Leases the messages that are due and of a known topic, payments before starts. Any number of relays may claim at once;
 * a lease that runs out makes the message due again, so it is carried at least once.
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
     select raise_flag('message_dead', id::text, 'A message to the workflows could not be delivered: ' || topic)
       from put where dead_at is not null`,
    [trouble.error.slice(0, 500), trouble.retryInMs, trouble.dead, id],
  );
}

export interface OutboxDepth {
  waiting: number;
  dead: number;
  /** Of the waiting ones, how many are of a topic that this build does not know: they wait for a newer one. */
  unknown: number;
  oldestMs: number;
}

/**
 * How many messages wait, and how old the oldest is of those that Temporal has not taken. One that was put back for its
 * own fault waits for its next try, and one of an unknown topic for a newer build: they say nothing of Temporal. One that
 * is leased counts, since while Temporal is away the leases are renewed again and again. Bounded: it counts to 10,000.
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
