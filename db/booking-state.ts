import type { BookingStatus } from '../domain/booking.ts';
import { type Db, prepared } from './knex.ts';

/** What a workflow needs to know of its booking: no person's data. Instants are ISO 8601 in UTC. */
export interface BookingState {
  bookingRef: string;
  status: BookingStatus;
  /** When the hold is to be settled: its deadline, or later while Stripe says `processing`. */
  settleAt: string;
  /** By the database's clock; 0 when it is due. */
  settleInMs: number;
  endsAt: string;
  endsInMs: number;
  workflowId: string;
  /** A PaymentIntent that could still be paid. */
  hasOpenPayment: boolean;
}

const stateColumns = `
  b.ref as "bookingRef", b.status, b.workflow_id as "workflowId", upper(b.during) as ends,
  settle_at(b) as settle, extract(epoch from settle_at(b) - clock_timestamp())::float8 * 1000 as "settleInMs",
  extract(epoch from upper(b.during) - clock_timestamp())::float8 * 1000 as "endsInMs",
  exists (select 1 from payments p where p.booking_id = b.id and is_payable(p)) as "hasOpenPayment"`;

type StateRow = Omit<BookingState, 'settleAt' | 'endsAt'> & { settle: Date; ends: Date };

function stateOf({ settle, ends, ...state }: StateRow): BookingState {
  return {
    ...state,
    settleAt: settle.toISOString(),
    settleInMs: Math.max(0, Math.ceil(state.settleInMs)),
    endsAt: ends.toISOString(),
    endsInMs: Math.max(0, Math.ceil(state.endsInMs)),
  };
}

/** The state of a booking, by its ref. */
export async function readBookingState(db: Db, bookingRef: string): Promise<BookingState | undefined> {
  const [row] = await prepared<StateRow>(
    db,
    'booking_state',
    `select ${stateColumns} from bookings b where b.ref = ?`,
    [bookingRef],
  );
  return row && stateOf(row);
}
