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
  'workflow_ended',
  'setting_changed',
] as const;
export type FlagKind = (typeof flagKinds)[number];

/** Puts something before a person's eyes, once per kind and subject; `subject` is an id, never a name. */
export async function raiseFlag(
  db: Db,
  flag: { kind: FlagKind; subject: string; detail: string; bookingId?: number | null },
): Promise<void> {
  await rows(
    db,
    'insert into flags (kind, subject, detail, booking_id) values (?, ?, ?, ?) on conflict do nothing',
    [flag.kind, flag.subject, flag.detail, flag.bookingId ?? null],
  );
}
