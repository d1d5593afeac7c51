import { type Db, rows } from './knex.ts';

export const flagKinds = [
  'payment_mismatch',
  'payment_undecided',
  'unknown_booking',
  'refund_failed',
  'refund_stuck',
  'refund_slow',
  'refunded_at_stripe',
  'dispute',
  'message_dead',
  'confirmed_unpaid',
  'workflow_ended',
  'reconcile_failed',
  'setting_changed',
  'clocks_differ',
  'clock_rules_changed',
] as const;
export type FlagKind = (typeof flagKinds)[number];

export interface Flag {
  kind: FlagKind;
  /** An id, never a name. */
  subject: string;
  detail: string;
  bookingId?: number | null;
  /** It tells of something that is so and is looked at again and again, not of something that has happened. */
  standing?: boolean;
}

/**
 * Puts something before a person's eyes, once per kind and subject, with a count; one that was resolved is raised again
 * (`raise_flag` in db/schema/staff.sql).
 */
export async function raiseFlag(db: Db, flag: Flag): Promise<void> {
  await rows(db, 'select raise_flag(?, ?, ?, ?, ?)', [
    flag.kind,
    flag.subject,
    flag.detail,
    flag.bookingId ?? null,
    flag.standing ?? false,
  ]);
}

/** Resolves the standing flags of a kind that tell of these subjects: what they told of is over. */
export async function endFlags(db: Db, kind: FlagKind, subjects: readonly string[]): Promise<void> {
  await rows(
    db,
    'select end_flags(array(select id from flags where standing and kind = ? and subject = any(?)))',
    [kind, [...subjects]] as never,
  );
}
