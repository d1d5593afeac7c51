import { outboxLeaseMs } from '../domain/limits.ts';
import type { Quote } from '../domain/slots.ts';
import { type Db, prepared } from './knex.ts';

export interface HoldRequest extends Quote {
  ref: string;
  userId: number;
  actor: string;
  roomId: number;
  roomVersion: number;
  bookingDate: string;
  startTime: string;
  endTime: string;
  guestCount: number;
  specialRequests: string | null;
  holdMs: number;
  horizonDays: number;
  /** 0: no limit. */
  openHoldsMax: number;
  /** For the operator's eyes in Temporal's UI: no name, no e-mail. */
  summary: string;
  idempotencyLease: string | null;
}

export interface Held {
  outcome: 'held';
  booking_id: number;
  user_email: string;
  created_at: Date;
  hold_expires_at: Date;
  outbox_id: string;
}

/** What stands in the way, `HH:MM:SS` by the room's clock. `overdue`: a hold whose deadline has passed. */
export interface Conflict {
  outcome: 'slot_taken' | 'overdue';
  conflict_ref: string;
  conflict_start: string;
  conflict_end: string;
}

export interface Refused {
  outcome:
    | 'in_the_past'
    | 'too_far_ahead'
    | 'user_unknown'
    | 'too_many_holds'
    | 'room_unavailable'
    | 'room_changed';
}

export type HoldOutcome = Held | Conflict | Refused;

/**
 * Takes the slot, and leaves the message that starts its workflow, in one statement (db/schema/hold-slot.sql).
 * @throws the violation of `bookings_slot_taken` when another request was faster by a moment
 */
export async function holdSlot(db: Db, request: HoldRequest): Promise<HoldOutcome> {
  const during = `[${request.startsAt.toISOString()},${request.endsAt.toISOString()})`;
  const [outcome] = await prepared<HoldOutcome>(
    db,
    'hold_slot',
    'select * from hold_slot(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)',
    [
      request.ref,
      request.userId,
      request.actor,
      request.roomId,
      request.roomVersion,
      during,
      request.bookingDate,
      request.startTime,
      request.endTime,
      request.numberOfSlots,
      request.guestCount,
      request.specialRequests,
      request.amountMinor,
      request.currency,
      request.holdMs,
      request.horizonDays,
      request.openHoldsMax,
      request.summary,
      outboxLeaseMs,
      request.idempotencyLease,
    ],
  );
  return outcome as HoldOutcome;
}
