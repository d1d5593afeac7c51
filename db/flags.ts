import { type Db, rows } from './knex.ts';

export const flagKinds = [
  'payment_mismatch',
  'unknown_booking',
  'refund_failed',
  'refund_stuck',
  'refund_slow',
  'refunded_at_stripe',
  'dispute',
  'message_dead',
  'confirmed_unpaid',
  'payment_undecided',
  'workflow_ended',
  'setting_changed',
  'clocks_differ',
  'clock_rules_changed',
] as const;
export type FlagKind = (typeof flagKinds)[number];

/**
 * Puts something before a person's eyes, once per kind and subject, and again when it happens again after it was resolved;
 * `subject` is an id, never a name.
 */
export async function raiseFlag(
  db: Db,
  flag: { kind: FlagKind; subject: string; detail: string; bookingId?: number | null },
): Promise<void> {
  await rows(
    db,
    `insert into flags (kind, subject, detail, booking_id) values (?, ?, ?, ?)
     on conflict (kind, subject) do update set resolved_at = null, created_at = now(), detail = excluded.detail
      where flags.resolved_at is not null`,
    [flag.kind, flag.subject, flag.detail, flag.bookingId ?? null],
  );
}
