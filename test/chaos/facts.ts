import type { LedgerEntry } from 'stripe-emulator';
import type { Answer } from './browser.ts';
import type { PriceFact } from './room-edits.ts';
import type { Stop } from './stops.ts';

/**
 * The facts that the checks read. Instants in µs are Unix microseconds by the database's clock, which is also this
 * machine's.
 */
export interface Evidence {
  bookings: BookingFact[];
  /** Every line of booking_events, in the order of their commits within a booking. */
  moves: MoveFact[];
  /** The claims: which booking occupies which room, from when to when in µs as above. */
  claims: { bookingId: number; roomId: number; from: number; to: number }[];
  payments: PaymentFact[];
  refunds: RefundFact[];
  disputes: { id: string; paymentId: number; amountMinor: number; status: string }[];
  flags: { kind: string; subject: string; bookingId: number | null; isOpen: boolean }[];
  /** Bookings with refunds or disputes, and some others, as the API shows them. */
  shown: ShownBooking[];
  outbox: { id: string; topic: string; attempts: number; dead: boolean; lastError: string | null }[];
  /** Ids of the events on record, and of those that were answered with 2xx. */
  storedEvents: Set<string>;
  acceptedEvents: Set<string>;
  intents: LedgerEntry[];
  undelivered: number;
  running: { workflowId: string; type: string }[];
  answers: readonly Answer[];
  /** When the last fault ended, Unix milliseconds. */
  recoveredAt: number;
  /** The prices that rooms have had; empty: they were not watched. */
  prices: readonly PriceFact[];
  /** The processes that were asked to stop. */
  stops: readonly Stop[];
  /** The longest time for which the database's clock was wrong. */
  databaseClockMs: number;
}

export interface PaymentFact {
  id: number;
  bookingId: number;
  intentId: string | null;
  status: string;
  decision: 'kept' | 'returned' | null;
  receivedMinor: number;
}

export interface RefundFact {
  id: number;
  paymentId: number;
  bookingId: number;
  intentId: string;
  status: string;
  reason: string;
  amountMinor: number;
  /** Stripe's id of it, once Stripe has it. */
  stripeId: string | null;
  lastError: string | null;
}

/** The money of a booking as the API shows it. */
export interface ShownBooking {
  bookingId: number;
  /** 200 where the API answered. */
  answer: number;
  paymentStatus: string;
  amountMinor: number;
  payment: {
    intentId: string | null;
    refundedMinor: number;
    disputedMinor: number;
    refunds: { status: string; amountMinor: number }[];
  } | null;
}

export interface BookingFact {
  id: number;
  ref: string;
  key: string | null;
  roomId: number;
  date: string;
  startMinute: number;
  endMinute: number;
  /** The slot on the room's wall clock, in µs as if that were UTC's: what two bookings must not share. */
  from: number;
  to: number;
  /** The stay's end has passed; more than a day ago, so that its claim may be gone. */
  isOver: boolean;
  isLongOver: boolean;
  /** Whether the stay's instants match its wall-clock time in its room's current zone. */
  followsRoomZone: boolean;
  status: string;
  numberOfSlots: number;
  amountMinor: number;
  currency: string;
  deadline: number;
  /** Stripe said `processing` at the deadline: the hold was kept longer on purpose. */
  wasProcessing: boolean;
  workflowId: string;
  confirmedPaymentId: number | null;
}

export interface MoveFact {
  bookingId: number;
  fromStatus: string | null;
  toStatus: string;
  cause: string;
  actor: string;
  at: number;
  /** When its transaction committed (track_commit_timestamp): others can see the move from then on. */
  committedAt: number;
}
