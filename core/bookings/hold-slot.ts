import { randomUUID } from 'node:crypto';
import { type SettleDeps, settleHoldWithin } from './settle-hold.ts';
import { type BookingDetailRow, noPayment } from '../../db/bookings.ts';
import {
  type Conflict,
  type HeldTooOften,
  tryHoldSlot,
  type HoldOutcome,
  type Refused,
} from '../../db/hold-slot.ts';
import { retryTransient, violatedConstraint } from '../../db/errors.ts';
import type { Message } from '../../db/outbox.ts';
import type { BookableRoom, RoomCache } from '../../db/rooms.ts';
import type { DayClocks } from '../../domain/day-clock.ts';
import { collisionWaitMs } from '../../domain/limits.ts';
import { fieldProblem, Problem } from '../../domain/problems.ts';
import { isChargeable, showAmount } from '../../domain/money.ts';
import { formatTimeOfDay, type Quote, quote, type SlotRequest } from '../../domain/slots.ts';

export interface HoldDeps extends SettleDeps {
  rooms: RoomCache;
  /** Remembers the clocks of days (day-clocks.ts). */
  dayClocks: DayClocks;
  config: {
    holdMs: number;
    horizonDays: number;
    limits: { openHolds: number; repeatedHolds: number };
  };
}

export interface BookingRequest extends SlotRequest {
  roomId: number;
  userId: number;
  /** For the audit: `user:7`, `staff:1`. */
  actor: string;
  specialRequests: string | null;
  idempotencyLease: string | null;
}

/** How many attempts a request has: an overdue hold was in the way, or the room was edited. */
const attemptsMax = 4;

/**
 * Holds a slot for a user: priced from the remembered room, and taken in one statement. The database decides who is first.
 * @param carry takes the message that starts the booking's workflow; it is in the outbox already, leased to this process
 * @throws Problem room_not_found, slot_taken, too_many_holds, in_the_past, too_far_ahead, invalid_request (an account
 *   that is gone), amount_not_chargeable, overloaded, and those of `quote`
 */
export async function holdSlot(
  deps: HoldDeps,
  request: BookingRequest,
  carry: (message: Message & { id: string }) => void,
): Promise<BookingDetailRow> {
  for (let attempt = 1; ; attempt++) {
    const { room, price } = await priceRoom(deps, request);
    const ref = randomUUID();
    const summary = summaryOf(room, request);
    const held = await tryToHold(deps, { ...request, ref, room, price, summary });
    if (held?.outcome === 'held') {
      carry({ id: held.outbox_id, topic: 'start_booking', payload: { bookingRef: ref, summary } });
      return { ...held, ...noPayment };
    }
    if (held) await answerRefusal(deps, request, held);
    if (attempt >= attemptsMax) throw givenUp(held);
  }
}

/**
 * The room, and what the booking costs. Where the remembered room would refuse the request, the room is read anew: another
 * process may have edited it, and no version is compared where nothing is held.
 */
async function priceRoom(
  deps: HoldDeps,
  request: BookingRequest,
): Promise<{ room: BookableRoom; price: Quote }> {
  const remembered = await findOpenRoom(deps, request.roomId);
  try {
    return { room: remembered, price: quotePayable(deps, remembered, request) };
  } catch {
    deps.rooms.forget(request.roomId);
    const room = await findOpenRoom(deps, request.roomId);
    return { room, price: quotePayable(deps, room, request) };
  }
}

/** What the booking costs. An amount that cannot be paid is refused: its hold would only keep the slot from others. */
function quotePayable({ dayClocks }: HoldDeps, room: BookableRoom, request: BookingRequest): Quote {
  const price = quote(room, request, dayClocks);
  const { amountMinor, currency } = price;
  if (isChargeable(amountMinor, currency)) return price;
  const detail = `${showAmount(amountMinor, currency)} cannot be paid by card. Book more or fewer slots, or ask the venue.`;
  throw new Problem('amount_not_chargeable', { detail });
}

async function findOpenRoom({ rooms }: HoldDeps, id: number): Promise<BookableRoom> {
  const room = await rooms.find(id);
  if (!room?.isAvailable) throw new Problem('room_not_found');
  return room;
}

/** What the client gets after the last attempt. `undefined`: another request took the slot at the same moment. */
function givenUp(last: HoldOutcome | undefined): Problem {
  const soon = { retryAfterSeconds: 1 };
  if (last?.outcome === 'overdue') return slotTaken(last, soon);
  if (!last) return new Problem('slot_taken', soon);
  return new Problem('overloaded', { detail: 'The room is being edited. Try again.', ...soon });
}

interface Attempt extends BookingRequest {
  ref: string;
  room: BookableRoom;
  price: Quote;
  summary: string;
}

/** @returns undefined when another request took the slot at the same moment; the next attempt sees whose hold it is */
async function tryToHold({ db, config }: HoldDeps, attempt: Attempt): Promise<HoldOutcome | undefined> {
  const { room, price, summary, ref } = attempt;
  try {
    return await retryTransient(() =>
      tryHoldSlot(db, {
        ...price,
        ref,
        summary,
        userId: attempt.userId,
        actor: attempt.actor,
        roomId: room.id,
        roomVersion: room.version,
        date: attempt.date,
        startTime: formatTimeOfDay(attempt.startMinute),
        endTime: formatTimeOfDay(attempt.endMinute),
        guestCount: attempt.guestCount,
        specialRequests: attempt.specialRequests,
        holdMs: config.holdMs,
        horizonDays: config.horizonDays,
        openHoldsMax: config.limits.openHolds,
        repeatedHoldsMax: config.limits.repeatedHolds,
        idempotencyLease: attempt.idempotencyLease,
      }),
    );
  } catch (error) {
    if (violatedConstraint(error) === 'claims_slot_taken') return undefined;
    throw error;
  }
}

/**
 * Throws what the refusal means to the client, or clears the way and returns for another attempt. `hold_slot` has
 * compared the version of the room before it refused anything.
 */
async function answerRefusal(
  deps: HoldDeps,
  request: BookingRequest,
  refusal: Conflict | HeldTooOften | Refused,
): Promise<void> {
  const { limits, horizonDays } = deps.config;
  switch (refusal.outcome) {
    case 'room_changed':
      return deps.rooms.forget(request.roomId);
    case 'overdue':
      return settleInTheWay(deps, refusal);
    case 'slot_taken':
      throw slotTaken(refusal);
    case 'in_the_past':
      throw fieldProblem('in_the_past', 'start_time', 'Choose a start in the future.');
    case 'too_far_ahead':
      throw fieldProblem('too_far_ahead', 'booking_date', `Choose a date within ${horizonDays} days.`);
    case 'user_unknown':
      throw fieldProblem('invalid_request', 'user_id', 'There is no active user with this id.');
    case 'too_many_holds':
      throw new Problem('too_many_holds', {
        detail: `A user has at most ${limits.openHolds} unpaid holds; pay or cancel one first.`,
        retryAfterSeconds: 60,
      });
    case 'held_too_often':
      throw new Problem('too_many_holds', {
        detail: `This time was held ${limits.repeatedHolds} times in 24 hours without being paid. Choose another time, or come back later.`,
        retryAfterSeconds: refusal.retry_after_seconds,
      });
    case 'room_unavailable':
      deps.rooms.forget(request.roomId);
      throw new Problem('room_not_found');
  }
}

/** Settles the overdue hold that is in the way. If that takes too long the client gets 409 with Retry-After. */
async function settleInTheWay(deps: HoldDeps, refusal: Conflict): Promise<void> {
  const overdue = { bookingRef: refusal.conflict_ref, actor: 'collision', waitMs: collisionWaitMs };
  const state = await settleHoldWithin(deps, overdue);
  if (!state || state.status === 'pending') throw slotTaken(refusal, { retryAfterSeconds: 1 });
}

function slotTaken(refusal: Conflict, extras: { retryAfterSeconds?: number } = {}): Problem {
  const { conflict_start: start_time, conflict_end: end_time } = refusal;
  return new Problem('slot_taken', {
    detail: `The room is taken from ${start_time} to ${end_time}.`,
    ...extras,
    members: { conflicting_booking: { start_time, end_time } },
  });
}

/** What the operator sees in Temporal's UI: the room and the time, but no person. */
function summaryOf(room: BookableRoom, request: BookingRequest): string {
  const [from, to] = [request.startMinute, request.endMinute].map((minute) =>
    formatTimeOfDay(minute).slice(0, 5),
  );
  return `Room ${room.id}, ${request.date} ${from}–${to} ${room.timeZone}`;
}
