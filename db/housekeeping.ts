import { idempotencyKeyHours } from '../domain/limits.ts';
import { type Db, rows } from './knex.ts';

/** An event id is remembered for longer than Stripe can deliver it again (30 days). */
const stripeEventDays = 60;
const batchMax = 5_000;

/** Deletes what has outlived its use, a bounded batch of each. @returns how many rows went */
export async function deleteOutdated(db: Db): Promise<number> {
  const statements = [
    `delete from idempotency_keys where ctid in (select ctid from idempotency_keys
       where created_at < now() - make_interval(hours => ${idempotencyKeyHours * 2}) limit ${batchMax})`,
    `delete from stripe_events where ctid in (select ctid from stripe_events
       where received_at < now() - make_interval(days => ${stripeEventDays}) limit ${batchMax})`,
    `delete from parked_facts where ctid in (select ctid from parked_facts
       where created_at < now() - make_interval(days => ${stripeEventDays}) limit ${batchMax})`,
    `delete from refresh_tokens where ctid in (select ctid from refresh_tokens
       where expires_at < now() - interval '1 day' limit ${batchMax})`,
    `delete from sessions where ctid in (select s.ctid from sessions s
       where s.expires_at < now() - interval '30 days'
          or (s.revoked_at is null and s.created_at < now() - interval '1 day'
              and not exists (select 1 from refresh_tokens t where t.session_id = s.id)) limit ${batchMax})`,
    `delete from rate_limits where ctid in (select ctid from rate_limits
       where expire < extract(epoch from now()) * 1000 limit ${batchMax})`,
  ];
  let gone = 0;
  for (const statement of statements) gone += (await rows(db, `${statement} returning 1`)).length;
  return gone;
}
