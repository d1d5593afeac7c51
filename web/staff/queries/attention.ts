import { type Db, rows } from '../../../db/knex.ts';
import { outboxDepth } from '../../../db/outbox.ts';
import type { IntentStatus, RefundStatus } from '../../../db/models.ts';
import type { FlagListRow } from './lists.ts';
import { noteStaffEvent } from '../../../db/staff-events.ts';

/** The overview shows at most this many rows per list and says when there are more. */
export const attentionMax = 20;

export interface OverdueHold {
  id: number;
  room_name: string;
  user_email: string;
  hold_expires_at: Date;
}

export interface StuckPayment {
  id: number;
  booking_id: number;
  intent_id: string | null;
  status: IntentStatus;
  updated_at: Date;
}

export interface SlowRefund {
  id: number;
  booking_id: number;
  amount_minor: number;
  currency: string;
  status: RefundStatus;
  last_error: string | null;
  created_at: Date;
}

/**
 * What needs attention, or soon may: open flags, overdue holds (except those kept for a payment that Stripe is
 * processing), stuck payments, slow refunds and waiting messages. Every query is bounded and uses an index.
 */
export async function readAttention(db: Db) {
  const [flags, overdue, payments, refunds, outbox, holds] = await Promise.all([
    rows<FlagListRow>(db, 'select * from flags where resolved_at is null order by created_at limit ?', [
      attentionMax + 1,
    ]),
    rows<OverdueHold>(
      db,
      `select b.id, r.name as room_name, u.email as user_email, b.hold_expires_at
         from bookings b join rooms r on r.id = b.room_id join users u on u.id = b.user_id
        where is_overdue(b, (select clock_timestamp())) order by settle_at(b) limit ?`,
      [attentionMax + 1],
    ),
    rows<StuckPayment>(
      db,
      `select id, booking_id, stripe_payment_intent_id as intent_id, status, updated_at from payments
        where status in ('creating', 'processing') and updated_at < (select clock_timestamp() - interval '5 minutes')
        order by updated_at limit ?`,
      [attentionMax + 1],
    ),
    rows<SlowRefund>(
      db,
      `select f.id, p.booking_id, f.amount_minor, f.currency, f.status, f.last_error, f.created_at
         from refunds f join payments p on p.id = f.payment_id
        where f.status in ('pending', 'parked', 'refused', 'submitted')
          and f.created_at < (select clock_timestamp() - interval '15 minutes')
        order by f.created_at limit ?`,
      [attentionMax + 1],
    ),
    outboxDepth(db),
    rows<{ open: number }>(
      db,
      `select count(*)::int as open
         from (select 1 from bookings b
                where b.status = 'pending' and settle_at(b) > (select clock_timestamp()) limit 10000) s`,
    ),
  ]);
  return { flags, overdue, payments, refunds, outbox, openHolds: holds[0]?.open ?? 0 };
}

export type Attention = Awaited<ReturnType<typeof readAttention>>;

export async function findFlag(db: Db, id: number): Promise<FlagListRow | undefined> {
  const [flag] = await rows<FlagListRow>(db, 'select * from flags where id = ?', [id]);
  return flag;
}

/**
 * Resolves a flag. With the flag of an undeliverable message the message is deleted: whoever resolves it has decided
 * not to send it.
 * @returns false when the flag was already resolved
 */
export async function resolveFlag(db: Db, actorId: number, flagId: number, note: string): Promise<boolean> {
  return db.transaction(async (trx) => {
    const resolved = await rows(
      trx,
      `with resolved as (
         update flags set resolved_at = clock_timestamp() where id = ? and resolved_at is null
         returning kind, subject
       ), dropped as (
         delete from outbox o using resolved r
          where o.id = case r.kind when 'message_dead' then r.subject::bigint end and o.dead_at is not null
       )
       select 1 from resolved`,
      [flagId],
    );
    if (resolved.length === 0) return false;
    await noteStaffEvent(trx, {
      actorId,
      action: 'resolved',
      subjectKind: 'flag',
      subjectId: flagId,
      detail: note,
    });
    return true;
  });
}

/**
 * Lets the relay deliver an undeliverable message again, after its cause was fixed, and resolves its flag.
 * @returns false when no such message is waiting
 */
export async function resendMessage(db: Db, actorId: number, flag: FlagListRow): Promise<boolean> {
  return db.transaction(async (trx) => {
    const resent = await rows(
      trx,
      `update outbox set dead_at = null, attempts = 0, last_error = null, available_at = clock_timestamp()
        where id = ?::bigint and dead_at is not null returning id`,
      [flag.subject],
    );
    if (resent.length === 0) return false;
    return resolveFlag(trx, actorId, flag.id, `Message ${flag.subject} sent again.`);
  });
}
