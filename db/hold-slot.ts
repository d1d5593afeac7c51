import { outboxLeaseMs } from '../domain/limits.ts';
import type { Quote } from '../domain/slots.ts';
import type { BookingRow } from './bookings.ts';
import { type Db, prepared } from './knex.ts';

/** The request that `hold_slot` reads, under the same names. `date` and times of day are on the room's wall clock. */
export interface HoldRequest extends Quote {
  ref: string;
  userId: number;
  actor: string;
  roomId: number;
  /** The version of the room that was priced: an edited room is priced again. */
  roomVersion: number;
  date: string;
  startTime: string;
  endTime: string;
  guestCount: number;
  specialRequests: string | null;
  holdMs: number;
  horizonDays: number;
  /** Open holds of the user at once; 0: no limit. */
  openHoldsMax: number;
  /** Unpaid holds of the user, of this room and overlapping time, in 24 hours; 0: no limit. */
  repeatedHoldsMax: number;
  /** What the operator sees in Temporal's UI: no name, no e-mail. */
  summary: string;
  idempotencyLease: string | null;
}

/** The new booking as it is shown, and the id of the message that starts its workflow. */
export interface Held extends BookingRow {
  outcome: 'held';
  outbox_id: string;
}

/** What stands in the way, `HH:MM:SS` by the room's clock. `overdue`: a hold whose deadline has passed. */
export interface Conflict {
  outcome: 'slot_taken' | 'overdue';
  conflict_ref: string;
  conflict_start: string;
  conflict_end: string;
}

/** The user has held this time too often without paying, and may hold it again after `retry_after_seconds`. */
export interface HeldTooOften {
  outcome: 'held_too_often';
  retry_after_seconds: number;
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

export type HoldOutcome = Held | Conflict | HeldTooOften | Refused;

/**
 * Takes the slot, and leaves the message that starts its workflow, in one statement (db/schema/hold-slot.sql).
 * @throws the violation of `claims_slot_taken` when another request was faster by a moment
 */
export async function tryHoldSlot(db: Db, request: HoldRequest): Promise<HoldOutcome> {
  const [outcome] = await prepared<HoldOutcome>(
    db,
    'hold_slot',
    `select outcome, outbox_id, conflict_ref, conflict_start, conflict_end, retry_after_seconds, (booking).*
       from hold_slot(?)`,
    [JSON.stringify({ ...request, outboxLeaseMs })],
  );
  return outcome as HoldOutcome;
}
