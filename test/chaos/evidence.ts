import { Client, Connection } from '@temporalio/client';
import { handledEventTypes } from '../../core/payments/record-event.ts';
import type { LedgerEntry, StripeControl } from 'stripe-emulator';
import type { Answer } from './browser.ts';

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
  payments: { id: number; bookingId: number; intentId: string | null; status: string }[];
  refunds: { id: number; intentId: string; status: string; lastError: string | null }[];
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
  /** The stay ended more than a day ago: its claim may be gone. */
  isLongOver: boolean;
  status: string;
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

const micros = (column: string) => `(extract(epoch from ${column}) * 1000000)::float8`;

const bookingsSql = `
  select id, ref, special_requests as key, room_id as "roomId", booking_date::text as date,
         (extract(epoch from start_time) / 60)::integer as "startMinute",
         (extract(epoch from end_time) / 60)::integer as "endMinute",
         ${micros('booking_date + start_time')} as "from", ${micros('booking_date + end_time')} as "to", status,
         upper(during) < clock_timestamp() - interval '24 hours' as "isLongOver",
         amount_minor as "amountMinor", currency, ${micros('hold_expires_at')} as deadline,
         settle_after is not null as "wasProcessing", workflow_id as "workflowId",
         confirmed_payment_id as "confirmedPaymentId"
    from bookings order by id`;

/** If the server keeps no commit times, the row's own instant, which is slightly earlier, replaces them. */
const movesSql = (commitTimes: boolean) => `
  select booking_id as "bookingId", from_status as "fromStatus", to_status as "toStatus", cause, actor,
         ${micros('at')} as at,
         ${micros(commitTimes ? 'pg_xact_commit_timestamp(xmin)' : 'at')} as "committedAt"
    from booking_events order by booking_id, ${commitTimes ? 'pg_xact_commit_timestamp(xmin), ' : ''}id`;

/** The sources of the evidence. */
export interface Witnesses {
  query: <Row>(sql: string) => Promise<Row[]>;
  stripe: Pick<StripeControl, 'ledger' | 'deliveries'>;
  temporal: { address: string; namespace: string; taskQueue: string };
  /** Postgres keeps commit timestamps (track_commit_timestamp). */
  commitTimes: boolean;
}

/** Collects the state of Postgres, Temporal and Stripe's ledger. */
export async function collectEvidence(
  { query, stripe, temporal, commitTimes }: Witnesses,
  known: Pick<Evidence, 'answers' | 'acceptedEvents' | 'recoveredAt'>,
): Promise<Evidence> {
  const [bookings, moves, claims, payments, refunds, outbox, events, ledger, running] = await Promise.all([
    query<BookingFact>(bookingsSql),
    query<MoveFact>(movesSql(commitTimes)),
    query<Evidence['claims'][number]>(
      `select booking_id as "bookingId", room_id as "roomId", ${micros('lower(during)')} as "from",
              ${micros('upper(during)')} as "to" from claims`,
    ),
    query<Evidence['payments'][number]>(
      'select id, booking_id as "bookingId", stripe_payment_intent_id as "intentId", status from payments',
    ),
    query<Evidence['refunds'][number]>(
      `select f.id, p.stripe_payment_intent_id as "intentId", f.status, f.last_error as "lastError"
         from refunds f join payments p on p.id = f.payment_id`,
    ),
    query<Evidence['outbox'][number]>(
      'select id, topic, attempts, dead_at is not null as dead, last_error as "lastError" from outbox',
    ),
    query<{ id: string }>('select id from stripe_events'),
    stripe.ledger(),
    listRunning(temporal),
  ]);
  const { paymentIntents: intents, totals } = ledger;
  const storedEvents = new Set(events.map((event) => event.id));
  return {
    ...known,
    bookings,
    moves,
    claims,
    payments,
    refunds,
    outbox,
    storedEvents,
    intents,
    undelivered: totals.undelivered,
    running,
  };
}

/** Workflows that run now, without the reconciler, which belongs to no booking. */
async function listRunning({
  address,
  namespace,
  taskQueue,
}: Witnesses['temporal']): Promise<Evidence['running']> {
  const connection = await Connection.connect({ address });
  try {
    const found: Evidence['running'] = [];
    const { workflow } = new Client({ connection, namespace });
    for await (const { workflowId, type } of workflow.list({
      query: `ExecutionStatus = "Running" and TaskQueue = "${taskQueue}"`,
      pageSize: 1_000,
    })) {
      if (type === 'bookingWorkflow' || type === 'latePaymentWorkflow' || type === 'refundWorkflow')
        found.push({ workflowId, type });
    }
    return found;
  } finally {
    await connection.close();
  }
}

/** Remembers which events the service has accepted: the emulator itself keeps only its last attempts. */
export function watchDeliveries(stripe: Witnesses['stripe']) {
  const handled = new Set<string>(handledEventTypes);
  const accepted = new Set<string>();
  const look = async () => {
    for (const { eventId, type, status } of await stripe.deliveries()) {
      if (handled.has(type) && status !== null && status >= 200 && status < 300) accepted.add(eventId);
    }
  };
  const timer = setInterval(() => void look().catch(() => {}), 15_000);
  return {
    async finish(): Promise<Set<string>> {
      clearInterval(timer);
      await look();
      return accepted;
    },
  };
}
