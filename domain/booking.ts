/** The vocabulary of a booking's life, and THE table of its legal moves. */

export const bookingStatuses = ['pending', 'confirmed', 'expired', 'cancelled', 'completed'] as const;
export type BookingStatus = (typeof bookingStatuses)[number];

export const paymentStatuses = ['pending', 'processing', 'succeeded', 'failed', 'refunded'] as const;
export type PaymentStatus = (typeof paymentStatuses)[number];

/**
 * From each status, where a booking may go. `expired → confirmed` is a late payment that found its slot still free. Postgres
 * holds the same table (`is_legal_move`, db/schema/bookings.sql).
 */
export const legalMoves: Readonly<Record<BookingStatus, readonly BookingStatus[]>> = {
  pending: ['confirmed', 'expired', 'cancelled'],
  expired: ['confirmed'],
  confirmed: ['cancelled', 'completed'],
  cancelled: [],
  completed: [],
};

/** Why a payment confirms nothing and goes back. */
export type ReturnReason = 'late' | 'cancelled' | 'duplicate' | 'mismatch';

/** Why money goes back, once for each reason: `staff:` is one request of staff, `stripe:` one refund made at Stripe. */
export type RefundReason = ReturnReason | `staff:${string}` | `stripe:${string}`;

export interface CancelRules {
  status: BookingStatus;
  startsAt: Date;
  /** The latest start that the booking has had: a new time zone must not make its cancellation dearer. */
  latestStart?: Date;
  now: Date;
  /** The whole price comes back until this many hours before the start. */
  freeCancelHours: number;
  byStaff: boolean;
  /** Staff asks for a refund, however late it is. */
  refundAsked: boolean;
  /** The caller saw a hold, so a payment that arrived at that moment must be refunded. */
  seenAsHold: boolean;
}

export type CancelVerdict =
  | { allowed: true; refund: boolean }
  | { allowed: false; reason: 'not_cancellable' | 'already_started' };

/**
 * May this booking be cancelled now, and is it refunded? A hold is always refunded what was paid, even if it was
 * confirmed since the caller saw it. A confirmed booking is refunded until `freeCancelHours` before its start, or if
 * staff asks. A guest cannot cancel a booking that has begun.
 */
export function judgeCancel(rules: CancelRules): CancelVerdict {
  if (rules.status === 'pending') return { allowed: true, refund: true };
  if (rules.status !== 'confirmed') return { allowed: false, reason: 'not_cancellable' };
  if (rules.startsAt <= rules.now && !rules.byStaff) return { allowed: false, reason: 'already_started' };
  const hoursAhead = ((rules.latestStart ?? rules.startsAt).getTime() - rules.now.getTime()) / 3_600_000;
  const refund =
    rules.seenAsHold || hoursAhead >= rules.freeCancelHours || (rules.byStaff && rules.refundAsked);
  return { allowed: true, refund };
}
