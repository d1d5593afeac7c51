/** Jobs for the load generator and their results: plain data, since the generator is a process. */

/** The requests to send. Each has a number, from 0 on, which decides its content, so that two runs send the same. */
export type Target =
  /** A GET of each path in turn. */
  | { kind: 'get'; port: number; requests: { path: string; token?: string }[] }
  /** A booking of slot `firstSlot + number`, by each user in turn. */
  | { kind: 'book'; port: number; tokens: string[]; firstSlot: number }
  /** All clients want this one slot. */
  | { kind: 'stampede'; port: number; tokens: string[]; slot: number }
  /** The PaymentIntent of each booking, once. */
  | { kind: 'payment-intent'; port: number; bookings: { id: number; token: string }[] }
  /** A signed `payment_intent.succeeded` for each payment, once. */
  | { kind: 'webhook'; port: number; secret: string; payments: SeededPayment[] }
  /** Book, ask for the PaymentIntent, pay it at the emulator. */
  | { kind: 'life'; port: number; tokens: string[]; firstSlot: number; stripe: { port: number; key: string } }
  /** A prepared statement by bare pg, with each set of values in turn. */
  | { kind: 'sql'; url: string; text: string; values: unknown[][] }
  /** The floor of a booking: see floor/statements.ts. */
  | { kind: 'sql-book'; url: string; users: number; firstSlot: number }
  /** The floor of a webhook: one insert. */
  | { kind: 'sql-event'; url: string; prefix: string }
  /** The statement of the webhook, by bare pg: each payment's event recorded, once. */
  | { kind: 'sql-record'; url: string; payments: SeededPayment[] }
  /** The floor of a life: start the smallest workflow and signal it. */
  | { kind: 'smallest-workflow'; address: string; taskQueue: string; prefix: string }
  /** The floor of a hold: a workflow that waits until an instant, `waitMs` after its start. */
  | { kind: 'timer-workflow'; address: string; taskQueue: string; prefix: string; waitMs: number };

export interface SeededPayment {
  intentId: string;
  paymentRef: string;
  bookingRef: string;
  bookingId: number;
  amountMinor: number;
}

/**
 * Closed: this many clients, each of which sends when its last answer is here; for throughput. Open: requests arrive at
 * a constant rate regardless of the answers, and a late answer delays no later request; for latency.
 */
export type Model =
  | { kind: 'closed'; clients: number; forMs: number; requestsMax: number }
  | { kind: 'open'; perSecond: number; forMs: number };

export interface Job {
  target: Target;
  model: Model;
}

export interface JobResult {
  /** From the first request to the last answer. */
  elapsedMs: number;
  /** One per answer; in the open model counted from the instant the request was due. */
  latenciesMs: Float64Array;
  /** Answers by status; a SQL or workflow call that succeeded counts as 200. */
  statuses: Record<string, number>;
  /** Bytes of all answers' bodies. */
  bytes: number;
  /** The number of requests sent: the next job's numbers begin after these. */
  sent: number;
}

export const slotsPerDay = 48;
export const roomsCount = 50;
/** Earlier days are reserved for the figures' own rows, inserted by SQL. */
const firstDay = 30;

export interface SlotPlace {
  roomId: number;
  date: string;
  start: string;
  end: string;
  startsAt: string;
  endsAt: string;
}

/** The place of a numbered slot: rooms first, then the half hours of a day (UTC), then days. */
export function placeOf(slot: number, todayMs: number): SlotPlace {
  const inRoom = Math.floor(slot / roomsCount);
  const halfHour = inRoom % slotsPerDay;
  const dayMs = todayMs + (firstDay + Math.floor(inRoom / slotsPerDay)) * 86_400_000;
  const date = new Date(dayMs).toISOString().slice(0, 10);
  const [start, end] = [halfHour, halfHour + 1].map(
    (n) => `${String(n >> 1).padStart(2, '0')}:${n % 2 === 0 ? '00' : '30'}:00`,
  ) as [string, string];
  return {
    roomId: 1 + (slot % roomsCount),
    date,
    start,
    end,
    startsAt: new Date(dayMs + halfHour * 1_800_000).toISOString(),
    endsAt: new Date(dayMs + (halfHour + 1) * 1_800_000).toISOString(),
  };
}

/** Midnight of today, UTC. */
export const todayMs = () => Math.floor(Date.now() / 86_400_000) * 86_400_000;
