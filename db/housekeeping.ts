import { idempotencyKeyHours } from '../domain/limits.ts';
import { type Db, rows } from './knex.ts';

/** An event id is remembered for longer than Stripe can deliver it again (30 days). */
const stripeEventDays = 60;
/** A batch is one statement, and holds its locks for a moment. */
const batchRows = 1_000;

/**
 * What has outlived its use, by its table and found by an index. What somebody works on at this moment is skipped: an
 * idempotency key, say, that is claimed anew. In hours: a day of Postgres is as long as the clock of the session's time zone
 * makes it.
 */
const outdated = {
  idempotency_keys: `created_at < now() - make_interval(hours => ${idempotencyKeyHours * 2})`,
  stripe_events: `received_at < now() - make_interval(hours => ${stripeEventDays * 24})`,
  parked_facts: `created_at < now() - make_interval(hours => ${stripeEventDays * 24})`,
  rate_limits: 'expire < (extract(epoch from now()) * 1000)::bigint',
  sessions: `expires_at < now() - interval '720 hours'`,
} as const;

const statements = [
  // The time of stays that are over for a day. Wall clocks are up to 14 hours from UTC; the index finds who may be meant.
  `delete from claims where booking_id in (
     select c.booking_id from claims c join bookings b on b.id = c.booking_id
      where upper(c.during) < (now() at time zone 'UTC') - interval '10 hours'
        and b.status = 'completed' and upper(b.during) < now() - interval '24 hours'
      limit ${batchRows} for update of c skip locked)`,
  ...Object.entries(outdated).map(([table, condition]) => deleteFrom(table, condition)),
  // A session of the panel has no refresh tokens, and no use once it has expired.
  deleteFrom(
    'sessions',
    `kind = 'panel' and revoked_at is null and expires_at < now() - interval '24 hours'`,
  ),
  // With its last refresh token a session that nobody has ended goes too.
  `with gone as (
     ${deleteFrom('refresh_tokens', `expires_at < now() - interval '24 hours'`)} returning session_id, token_hash
   ), ended as (
     delete from sessions s
      where s.id in (select session_id from gone) and s.revoked_at is null
        and not exists (select 1 from refresh_tokens t
                         where t.session_id = s.id and t.token_hash not in (select token_hash from gone))
   )
   select 1 from gone`,
];

function deleteFrom(table: string, condition: string): string {
  return `delete from ${table} where ctid in (
            select ctid from ${table} where ${condition} limit ${batchRows} for update skip locked)`;
}

/**
 * Deletes what has outlived its use, batch by batch, until nothing is left or the time is over.
 * @param stopAtMs `Date.now()` after which no further batch begins
 * @returns how many rows went
 */
export async function deleteOutdated(db: Db, stopAtMs: number): Promise<number> {
  let gone = 0;
  for (const statement of statements) {
    const counting = statement.startsWith('with') ? statement : `${statement} returning 1`;
    let deleted: number;
    do {
      deleted = (await rows(db, counting)).length;
      gone += deleted;
    } while (deleted === batchRows && Date.now() < stopAtMs);
  }
  return gone;
}
