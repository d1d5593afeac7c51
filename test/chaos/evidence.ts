import { Client, Connection } from '@temporalio/client';
import type { StripeControl } from 'stripe-emulator';
import { handledEventTypes } from '../../core/payments/record-event.ts';
import {
  bookingsSql,
  claimsSql,
  disputesSql,
  flagsSql,
  movesSql,
  outboxSql,
  paymentsSql,
  refundsSql,
} from './evidence-sql.ts';
import type { BookingFact, Evidence, MoveFact, PaymentFact, RefundFact, ShownBooking } from './facts.ts';
import { clockJumpMs } from './wrong-clock.ts';

/** The sources of the evidence. */
export interface Witnesses {
  query: <Row>(sql: string) => Promise<Row[]>;
  stripe: Pick<StripeControl, 'ledger' | 'deliveries'>;
  temporal: { address: string; namespace: string; taskQueue: string };
  /** Postgres keeps commit timestamps (track_commit_timestamp). */
  commitTimes: boolean;
  /** Reads bookings from the API; absent: the API is not asked. */
  show?: (bookingIds: readonly number[]) => Promise<ShownBooking[]>;
}

type Known = Pick<Evidence, 'answers' | 'acceptedEvents' | 'recoveredAt'> &
  Partial<Pick<Evidence, 'prices' | 'stops' | 'databaseClockMs'>>;

/** Of the bookings without refunds and disputes, one in this many is checked too. */
const shownOneIn = 20;

/** Collects the state of Postgres, Temporal, Stripe's ledger and the API. */
export async function collectEvidence(
  { query, stripe, temporal, commitTimes, show }: Witnesses,
  known: Known,
): Promise<Evidence> {
  const [bookings, moves, claims, payments, refunds, disputes, flags, outbox, events, ledger, running] =
    await Promise.all([
      query<BookingFact>(bookingsSql),
      query<MoveFact & { id: number }>(movesSql(commitTimes)),
      query<Evidence['claims'][number]>(claimsSql),
      query<PaymentFact>(paymentsSql),
      query<RefundFact>(refundsSql),
      query<Evidence['disputes'][number]>(disputesSql),
      query<Evidence['flags'][number]>(flagsSql),
      query<Evidence['outbox'][number]>(outboxSql),
      query<{ id: string }>('select id from stripe_events'),
      stripe.ledger(),
      listRunning(temporal),
    ]);
  const { paymentIntents: intents, totals } = ledger;
  const evidence: Evidence = {
    ...{ prices: [], stops: [], databaseClockMs: 0, shown: [] },
    ...known,
    ...{ bookings, moves, claims, payments, refunds, disputes, flags, outbox, intents, running },
    storedEvents: new Set(events.map((event) => event.id)),
    undelivered: totals.undelivered,
  };
  if (evidence.databaseClockMs > 0) correctInstants(evidence);
  if (show) evidence.shown = await show(bookingsToShow(evidence));
  return evidence;
}

function bookingsToShow({ bookings, payments, refunds, disputes }: Evidence): number[] {
  const disputed = new Set(disputes.map(({ paymentId }) => paymentId));
  const withMoney = new Set([
    ...refunds.map(({ bookingId }) => bookingId),
    ...payments.filter(({ id }) => disputed.has(id)).map(({ bookingId }) => bookingId),
  ]);
  return bookings.map(({ id }) => id).filter((id) => withMoney.has(id) || id % shownOneIn === 0);
}

/** Replaces instants that the database's wrong clock wrote by the real ones. */
function correctInstants({ bookings, moves }: Evidence): void {
  const now = Date.now() * 1_000;
  const jump = clockJumpMs * 1_000;
  const correct = (micros: number) => (micros - now > jump / 2 ? micros - jump : micros);
  for (const booking of bookings) booking.deadline = correct(booking.deadline);
  for (const move of moves) {
    move.at = correct(move.at);
    move.committedAt = correct(move.committedAt);
  }
  moves.sort((a, b) => a.bookingId - b.bookingId || a.committedAt - b.committedAt);
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
