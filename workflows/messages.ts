import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { BookingStatus } from '../domain/booking.ts';
import type { CancelRequest, CancelResult, PaymentEvent } from '../domain/messages.ts';

/**
 * The signals, updates and queries that a workflow takes, and what it is started with: the API's only door. These names
 * and shapes are in the histories of open workflows, so they may grow but never change.
 */

/** A Keyword that the operator filters by in Temporal's UI, e.g. `BookingStatus = "pending"`. */
export const bookingStatusAttribute = 'BookingStatus';

export interface BookingInput {
  bookingRef: string;
  /** Payment events that the run before had not handled when its history had grown long. */
  unhandled?: PaymentEvent[];
}

/** The payment event that started the run; and those that the run before had not handled. */
export interface LatePaymentInput extends PaymentEvent {
  unhandled?: PaymentEvent[];
}

export interface HoldView {
  bookingRef: string;
  status: BookingStatus | 'starting';
  /** ISO 8601 in UTC. */
  holdExpiresAt?: string;
  secondsLeft: number;
}

export const paymentReceivedSignal = defineSignal<[PaymentEvent]>('paymentReceived');
/** The booking's row has got other instants: read it again. */
export const bookingChangedSignal = defineSignal('bookingChanged');
export const cancelUpdate = defineUpdate<CancelResult, [CancelRequest]>('cancel');
export const holdQuery = defineQuery<HoldView>('hold');

/**
 * The id of an update that cancels: the same request for a booking that stands as it was seen has the same id, so that
 * repeating it gets the same answer. Once the booking has moved it is another question: a hold that was refused as
 * expired can be confirmed by late money.
 */
export function cancelUpdateId(request: CancelRequest, seen: BookingStatus): string {
  const who = !request.byStaff ? 'cancel' : request.refund ? 'cancel-by-staff-refund' : 'cancel-by-staff';
  return `${who}-${seen}`;
}
