import { findFalselyShown, findOtherAmounts, findOtherRecords } from './check-ledger.ts';
import {
  findDecisionsNotOnce,
  findOpenIntents,
  findRepeatedRefunds,
  findTooMuchBack,
  findUndecidedMoney,
  findUnpaidConfirmed,
  findUnreturned,
} from './check-money.ts';
import { findEarlyEnds, findLateHolds, findOtherInstants, findSlowStops } from './check-time.ts';
import type { Evidence } from './facts.ts';
import { groupBy, holdsSlot, spansOf } from './spans.ts';

/** One broken promise: which invariant, and what exactly. */
export interface Violation {
  invariant: string;
  what: string;
}

type Check = (evidence: Evidence) => string[];

/** The invariants of the service (docs/reliability.md), each with its check on the evidence of a run. */
export const invariants: Record<string, { says: string; check: Check }> = {
  I1: { says: 'at no instant two active bookings of a room overlap', check: findOverlaps },
  I2: {
    says: 'each succeeded PaymentIntent: one confirmed booking xor all money back',
    check: findUndecidedMoney,
  },
  I3: { says: 'nothing confirmed without a succeeded PaymentIntent of its own', check: findUnpaidConfirmed },
  I4: { says: 'nothing pending 60 s after its deadline or the recovery', check: findLateHolds },
  I5: { says: 'PaymentIntents of dead bookings are canceled or refunded', check: findOpenIntents },
  I6: {
    says: 'every 201 is durable and made once; every 409 slot_taken met an active booking',
    check: findFalseAnswers,
  },
  I7: { says: 'only legal moves, one after the other', check: findIllegalMoves },
  I8: { says: 'every accepted event is on record', check: findForgottenEvents },
  I9: {
    says: 'a workflow for every open booking and none for a closed one; no message left',
    check: findLooseEnds,
  },
  claims: {
    says: 'a booking that holds its room has its claim on the wall clock, any other has none',
    check: findWrongClaims,
  },
  M1: { says: 'no more goes back than came, for each payment', check: findTooMuchBack },
  M2: {
    says: 'a succeeded payment is decided once, and confirms its booking if it is kept',
    check: findDecisionsNotOnce,
  },
  M4: { says: 'one refund for each payment, booking and reason', check: findRepeatedRefunds },
  M5: {
    says: 'a returned payment is refunded whole, or a flag says what is in the way',
    check: findUnreturned,
  },
  ledger: { says: 'what is on record of refunds and disputes is what Stripe has', check: findOtherRecords },
  api: { says: "what the API shows of a booking's money is what moved at Stripe", check: findFalselyShown },
  quotes: {
    says: 'bookings cost what was quoted, by a price of the room at that time',
    check: findOtherAmounts,
  },
  clocks: { says: 'one wrong clock ends no hold and no stay, and staff is told', check: findEarlyEnds },
  zones: { says: "open bookings follow their room's wall clock", check: findOtherInstants },
  stops: { says: 'a process that is told to stop ends, whatever its log does', check: findSlowStops },
  '5xx': { says: 'no internal error (500) in any answer', check: findInternalErrors },
};

export function checkInvariants(evidence: Evidence): Violation[] {
  return Object.entries(invariants).flatMap(([invariant, { check }]) =>
    check(evidence).map((what) => ({ invariant, what })),
  );
}

function findOverlaps(evidence: Evidence): string[] {
  const faults: string[] = [];
  for (const spans of groupBy(
    spansOf(evidence),
    ({ booking }) => `${booking.roomId} ${booking.date}`,
  ).values()) {
    for (const [index, one] of spans.entries()) {
      for (const other of spans.slice(index + 1)) {
        const sameSlot = one.booking.from < other.booking.to && other.booking.from < one.booking.to;
        const sameTime = one.since < other.until && other.since < one.until;
        if (sameSlot && sameTime && one.booking.id !== other.booking.id)
          faults.push(
            `bookings ${one.booking.id} and ${other.booking.id} of room ${one.booking.roomId} at once`,
          );
      }
    }
  }
  return faults;
}

function findWrongClaims({ bookings, claims }: Evidence): string[] {
  const claimOf = new Map(claims.map((claim) => [claim.bookingId, claim]));
  const faults = bookings.flatMap((booking) => {
    const claim = claimOf.get(booking.id);
    const held = holdsSlot(booking.status) || (booking.status === 'completed' && !booking.isLongOver);
    if (!claim) return held ? [`booking ${booking.id} is ${booking.status} and has no claim`] : [];
    if (!held && booking.status !== 'completed')
      return [`booking ${booking.id} is ${booking.status} and keeps its claim`];
    const same = claim.roomId === booking.roomId && claim.from === booking.from && claim.to === booking.to;
    return same ? [] : [`the claim of booking ${booking.id} is of another time or room`];
  });
  for (const [room, taken] of groupBy(claims, ({ roomId }) => roomId)) {
    const sorted = [...taken].sort((a, b) => a.from - b.from);
    for (const [index, claim] of sorted.entries()) {
      const next = sorted[index + 1];
      if (next && next.from < claim.to)
        faults.push(`bookings ${claim.bookingId} and ${next.bookingId} claim the same time of room ${room}`);
    }
  }
  return faults;
}

function findFalseAnswers(evidence: Evidence): string[] {
  const faults: string[] = [];
  const bookingById = new Map(evidence.bookings.map((booking) => [booking.id, booking]));
  for (const [key, made] of groupBy(evidence.bookings, ({ key }) => key)) {
    if (key && made.length > 1)
      faults.push(`the key ${key} made the bookings ${made.map(({ id }) => id).join(', ')}`);
  }
  const spans = groupBy(spansOf(evidence), ({ booking }) => `${booking.roomId} ${booking.date}`);
  for (const { call, status, code, slot, bookingId, key, sentAt, answeredAt, visit } of evidence.answers) {
    if (call !== 'book' || !slot) continue;
    if (status === 201) {
      const booking = bookingById.get(bookingId ?? 0);
      const same =
        booking?.key === key &&
        booking.roomId === slot.roomId &&
        booking.date === slot.date &&
        booking.startMinute === slot.start;
      if (!same)
        faults.push(`visit ${visit}: booking ${bookingId} was promised and is not there as asked for`);
    }
    if (code === 'slot_taken') {
      const met = (spans.get(`${slot.roomId} ${slot.date}`) ?? []).some(
        ({ booking, since, until }) =>
          booking.startMinute < slot.end &&
          slot.start < booking.endMinute &&
          since <= (answeredAt + 1) * 1_000 &&
          until >= sentAt * 1_000,
      );
      if (!met)
        faults.push(
          `visit ${visit}: 409 slot_taken at ${new Date(sentAt).toISOString()}, but the slot was free`,
        );
    }
  }
  return faults;
}

const legal = new Set([
  '>pending',
  'pending>confirmed',
  'pending>expired',
  'pending>cancelled',
  'expired>confirmed',
  'confirmed>cancelled',
  'confirmed>completed',
]);

function findIllegalMoves({ bookings, moves }: Evidence): string[] {
  const movesOf = groupBy(moves, ({ bookingId }) => bookingId);
  return bookings.flatMap(({ id, status }) => {
    const faults: string[] = [];
    let at = '';
    for (const { fromStatus, toStatus } of movesOf.get(id) ?? []) {
      // An event that only changes instants is not a move.
      if (fromStatus === toStatus && fromStatus === at) continue;
      if ((fromStatus ?? '') !== at || !legal.has(`${at}>${toStatus}`))
        faults.push(`booking ${id}: ${at} → ${fromStatus} → ${toStatus}`);
      at = toStatus;
    }
    if (at !== status) faults.push(`booking ${id} is ${status}, its last event says ${at}`);
    return faults;
  });
}

function findForgottenEvents({ acceptedEvents, storedEvents }: Evidence): string[] {
  return [...acceptedEvents]
    .filter((id) => !storedEvents.has(id))
    .map((id) => `${id} was answered with 2xx and is not on record`);
}

/** A refund that failed or was refused is left to staff: M5 asks for its flag. */
const endedRefunds = new Set(['succeeded', 'failed', 'refused', 'dropped']);

function findLooseEnds({ bookings, running, outbox, refunds, undelivered }: Evidence): string[] {
  const runningIds = new Set(running.map(({ workflowId }) => workflowId));
  const owners = new Set(
    bookings.filter(({ status }) => holdsSlot(status)).map(({ workflowId }) => workflowId),
  );
  const refundsLeft = refunds.filter(({ status }) => !endedRefunds.has(status));
  return [
    ...bookings
      .filter(({ status, workflowId }) => holdsSlot(status) && !runningIds.has(workflowId))
      .map(
        ({ id, status, workflowId }) => `booking ${id} is ${status}, its workflow ${workflowId} does not run`,
      ),
    ...running
      .filter(({ workflowId }) => !owners.has(workflowId))
      .map(({ workflowId }) => `${workflowId} runs and owns no open booking`),
    ...outbox.map(
      ({ id, topic, attempts, dead, lastError }) =>
        `message ${id} ${topic} is left (${attempts} attempts${dead ? ', dead' : ''}) ${lastError ?? ''}`,
    ),
    ...refundsLeft.map(
      ({ intentId, status, lastError }) => `the refund of ${intentId} is ${status} ${lastError ?? ''}`,
    ),
    ...(undelivered > 0 ? [`${undelivered} webhooks are not delivered`] : []),
  ];
}

function findInternalErrors({ answers }: Evidence): string[] {
  return answers
    .filter(({ status, code }) => status === 500 || code === 'internal_error')
    .map(({ call, visit, sentAt }) => `${call} of visit ${visit} at ${new Date(sentAt).toISOString()}: 500`);
}
