import { idempotencyKeyHours } from '../domain/limits.ts';
import { type Db, rows } from './knex.ts';

/** An event id is remembered for longer than Stripe can deliver it again (30 days). */
const stripeEventDays = 60;
const batchMax = 5_000;

/**
 * Deletes what has outlived its use, a bounded batch of each. In hours: a day of Postgres is as long as the clock of the
 * session's time zone makes it.
 * @returns how many rows went
 */
export async function deleteOutdated(db: Db): Promise<number> {
  const statements = [
    // The time of stays that are over for a day. Wall clocks are up to 14 hours from UTC; the index finds who may be meant.
    `delete from claims where booking_id in (select b.id from claims c join bookings b on b.id = c.booking_id
       where upper(c.during) < (now() at time zone 'UTC') - interval '10 hours'
         and b.status = 'completed' and upper(b.during) < now() - interval '24 hours' limit ${batchMax})`,
    `delete from idempotency_keys where ctid in (select ctid from idempotency_keys
       where created_at < now() - make_interval(hours => ${idempotencyKeyHours * 2}) limit ${batchMax})`,
    `delete from stripe_events where ctid in (select ctid from stripe_events
       where received_at < now() - make_interval(hours => ${stripeEventDays * 24}) limit ${batchMax})`,
    `delete from parked_facts where ctid in (select ctid from parked_facts
       where created_at < now() - make_interval(hours => ${stripeEventDays * 24}) limit ${batchMax})`,
    `delete from refresh_tokens where ctid in (select ctid from refresh_tokens
       where expires_at < now() - interval '24 hours' limit ${batchMax})`,
    `delete from sessions where ctid in (select s.ctid from sessions s
       where s.expires_at < now() - interval '720 hours'
          or (s.revoked_at is null and s.created_at < now() - interval '24 hours'
              and not exists (select 1 from refresh_tokens t where t.session_id = s.id)) limit ${batchMax})`,
    `delete from rate_limits where ctid in (select ctid from rate_limits
       where expire < extract(epoch from now()) * 1000 limit ${batchMax})`,
  ];
  let gone = 0;
  for (const statement of statements) gone += (await rows(db, `${statement} returning 1`)).length;
  return gone;
}
