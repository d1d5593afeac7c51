import { randomUUID } from 'node:crypto';
import { settleHoldWithin } from './settle-hold.ts';
import { type BookingDetailRow } from '../../db/bookings.ts';
import { type Conflict, type Held, holdSlot, type HoldOutcome, type Refused } from '../../db/hold-slot.ts';
import { retryTransient, violatedConstraint } from '../../db/errors.ts';
import type { BookableRoom } from '../../db/rooms.ts';
import { collisionWaitMs } from '../../domain/limits.ts';
import { fieldProblem, Problem } from '../../domain/problems.ts';
import { formatTimeOfDay, type Quote, quote, type SlotRequest } from '../../domain/slots.ts';
import { bookingWorkflowId } from '../../workflows/messages.ts';
import type { Deps } from '../../api/deps.ts';

export interface BookingRequest extends SlotRequest {
  roomId: number;
  userId: number;
  /** For the audit: `user:7`, `staff:1`. */
  actor: string;
  specialRequests: string | null;
  idempotencyLease: string | null;
}

/** A collision with an overdue hold, or with a room that was edited, is tried again this often. */
const attemptsMax = 4;

/**
 * Holds a slot for a user: priced from the remembered room, taken in one statement, its workflow started by the
 * relay after the answer. The database decides who is first.
 * @throws Problem room_not_found, slot_taken, too_many_holds, in_the_past, too_far_ahead, invalid_request (an account
 *   that is gone), overloaded, and those of `quote`
 */
export async function holdBooking(deps: Deps, request: BookingRequest): Promise<BookingDetailRow> {
  for (let attempt = 1; ; attempt++) {
    const { room, price } = await priceRoom(deps, request);
    const ref = randomUUID();
    const summary = summaryOf(room, request);
    const held = await tryToHold(deps, { ...request, ref, room, price, summary });
    if (held?.outcome === 'held') {
      deps.relay.accept({
        id: held.outbox_id,
        topic: 'start_booking',
        payload: { bookingRef: ref, summary },
      });
      return rowOf(request, room, price, ref, held);
    }
    if (held) await answerRefusal(deps, request, held);
    if (attempt >= attemptsMax) throw givenUp(held);
  }
}

/**
 * The room and what it costs. A refusal is believed only of a room that was read just now: one that is remembered may
 * have been edited by another process, and no version is compared where nothing is held.
 */
async function priceRoom(deps: Deps, request: BookingRequest): Promise<{ room: BookableRoom; price: Quote }> {
  const remembered = await findOpenRoom(deps, request.roomId);
  try {
    return { room: remembered, price: quote(remembered, request) };
  } catch {
    deps.rooms.forget(request.roomId);
    const room = await findOpenRoom(deps, request.roomId);
    return { room, price: quote(room, request) };
  }
}

async function findOpenRoom({ rooms }: Deps, id: number): Promise<BookableRoom> {
  const room = await rooms.find(id);
  if (!room?.isAvailable) throw new Problem('room_not_found');
  return room;
}

/** What the last attempt came to. Undefined: the slot was taken in this moment, by whom was not seen. */
function givenUp(last: HoldOutcome | undefined): Problem {
  const headers = { 'Retry-After': '1' };
  if (last?.outcome === 'overdue') return slotTaken(last, headers);
  if (!last) return new Problem('slot_taken', { headers });
  return new Problem('overloaded', { detail: 'The room is being edited. Try again.', headers });
}

interface Attempt extends BookingRequest {
  ref: string;
  room: BookableRoom;
  price: Quote;
  summary: string;
}

/** One attempt. Undefined: another request took the slot in this moment; the next attempt will see whose it is. */
async function tryToHold({ db, config }: Deps, attempt: Attempt): Promise<HoldOutcome | undefined> {
  const { room, price, summary, ref } = attempt;
  try {
    return await retryTransient(() =>
      holdSlot(db, {
        ...price,
        ref,
        summary,
        userId: attempt.userId,
        actor: attempt.actor,
        roomId: room.id,
        roomVersion: room.version,
        bookingDate: attempt.date,
        startTime: formatTimeOfDay(attempt.startMinute),
        endTime: formatTimeOfDay(attempt.endMinute),
        guestCount: attempt.guestCount,
        specialRequests: attempt.specialRequests,
        holdMs: config.holdMs,
        horizonDays: config.horizonDays,
        openHoldsMax: config.limits.openHolds,
        idempotencyLease: attempt.idempotencyLease,
      }),
    );
  } catch (error) {
    if (violatedConstraint(error) === 'bookings_slot_taken') return undefined;
    throw error;
  }
}

/**
 * Throws what the refusal means to the client, or clears the way and returns for another attempt. Past and horizon
 * are refused before the version is compared: the room's zone may have been changed, so the room is read again next time.
 */
async function answerRefusal(
  deps: Deps,
  request: BookingRequest,
  refusal: Conflict | Refused,
): Promise<void> {
  switch (refusal.outcome) {
    case 'room_changed':
      return deps.rooms.forget(request.roomId);
    case 'overdue':
      return settleInTheWay(deps, refusal);
    case 'slot_taken':
      throw slotTaken(refusal);
    case 'in_the_past':
      deps.rooms.forget(request.roomId);
      throw fieldProblem('in_the_past', 'start_time', 'Choose a start in the future.');
    case 'too_far_ahead':
      deps.rooms.forget(request.roomId);
      throw fieldProblem(
        'too_far_ahead',
        'booking_date',
        `Choose a date within ${deps.config.horizonDays} days.`,
      );
    case 'user_unknown':
      throw fieldProblem('invalid_request', 'user_id', 'There is no active user with this id.');
    case 'too_many_holds':
      throw new Problem('too_many_holds', {
        detail: `A user has at most ${deps.config.limits.openHolds} unpaid holds; pay or cancel one first.`,
        headers: { 'Retry-After': '60' },
      });
    case 'room_unavailable':
      deps.rooms.forget(request.roomId);
      throw new Problem('room_not_found');
  }
}

/** Settles the overdue hold that is in the way. Who cannot wait for that gets 409 now, and may ask again. */
async function settleInTheWay(deps: Deps, refusal: Conflict): Promise<void> {
  const overdue = { bookingRef: refusal.conflict_ref, actor: 'collision', waitMs: collisionWaitMs };
  const state = await settleHoldWithin(deps, overdue);
  if (!state || state.status === 'pending') throw slotTaken(refusal, { 'Retry-After': '1' });
}

function slotTaken(refusal: Conflict, headers: Record<string, string> = {}): Problem {
  const { conflict_start: start_time, conflict_end: end_time } = refusal;
  return new Problem('slot_taken', {
    detail: `The room is taken from ${start_time} to ${end_time}.`,
    headers,
    members: { conflicting_booking: { start_time, end_time } },
  });
}

/** For the operator in Temporal's UI: the room and the time, no person. */
function summaryOf(room: BookableRoom, request: BookingRequest): string {
  const [from, to] = [request.startMinute, request.endMinute].map((minute) =>
    formatTimeOfDay(minute).slice(0, 5),
  );
  return `Room ${room.id}, ${request.date} ${from}–${to} ${room.timeZone}`;
}

/** The row as it was written: reading it again would cost a round trip. */
function rowOf(
  request: BookingRequest,
  room: BookableRoom,
  price: Quote,
  ref: string,
  held: Held,
): BookingDetailRow {
  return {
    id: held.booking_id,
    ref,
    user_id: request.userId,
    user_email: held.user_email,
    room_id: room.id,
    room_name: room.name,
    booking_date: request.date,
    start_time: formatTimeOfDay(request.startMinute),
    end_time: formatTimeOfDay(request.endMinute),
    starts_at: price.startsAt,
    ends_at: price.endsAt,
    time_zone: room.timeZone,
    number_of_slots: price.numberOfSlots,
    guest_count: request.guestCount,
    special_requests: request.specialRequests,
    amount_minor: price.amountMinor,
    currency: price.currency,
    status: 'pending',
    payment_status: 'pending',
    hold_expires_at: held.hold_expires_at,
    hold_seconds_left: (held.hold_expires_at.getTime() - held.created_at.getTime()) / 1000,
    workflow_id: bookingWorkflowId(ref),
    created_at: held.created_at,
    payment_intent_id: null,
    payment_intent_status: null,
    payment_ref: null,
    refund_status: null,
    refund_amount_minor: null,
    refund_currency: null,
    refund_created_at: null,
  };
}
