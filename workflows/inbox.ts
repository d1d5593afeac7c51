import { defineSearchAttributeKey } from '@temporalio/common';
import { condition, setHandler, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { BookingState } from '../activities/index.ts';
import type { CancelRequest, CancelResult, PaymentEvent } from '../domain/messages.ts';
import {
  bookingChangedSignal,
  bookingStatusAttribute,
  cancelUpdate,
  holdQuery,
  paymentReceivedSignal,
} from './messages.ts';

/** A cancellation that waits for its answer. */
interface PendingCancel {
  request: CancelRequest;
  result?: CancelResult;
}

/**
 * The inbox: messages that the workflow has received and not handled yet. The handlers only record; the workflow's main
 * path takes a message when it is ready, so that there is one place where anything is decided.
 * @param unhandled payment events that came before: with the start, or to the run before this one
 */
export function openInbox(bookingRef: string, unhandled: readonly PaymentEvent[] = []) {
  const paymentEvents: PaymentEvent[] = [...unhandled];
  const cancels: PendingCancel[] = [];
  let booking: BookingState | undefined;
  let bookingChanged = false;

  /** An event that waits already is not added again. */
  function addPaymentEvent(event: PaymentEvent): void {
    if (!paymentEvents.some((waiting) => isSame(waiting, event))) paymentEvents.push(event);
  }

  setHandler(paymentReceivedSignal, addPaymentEvent);
  setHandler(bookingChangedSignal, () => {
    bookingChanged = true;
  });
  setHandler(cancelUpdate, async (request) => {
    const cancel: PendingCancel = { request };
    cancels.push(cancel);
    await condition(() => cancel.result !== undefined);
    return cancel.result as CancelResult;
  });
  setHandler(holdQuery, () => ({
    bookingRef,
    status: booking?.status ?? 'starting',
    ...(booking?.status === 'pending' && { holdExpiresAt: booking.settleAt }),
    secondsLeft: booking?.status === 'pending' ? secondsLeftUntil(booking.settleAt) : 0,
  }));

  return {
    /** Remembers the booking for the query, and shows its status to the operator. */
    show(state: BookingState): BookingState {
      if (state.status !== booking?.status) showStatus(state.status);
      booking = state;
      return state;
    },
    hasMessages: () => bookingChanged || paymentEvents.length > 0 || cancels.length > 0,
    hasCancels: () => cancels.length > 0,
    /** Is there a message that can be handled without asking Stripe? */
    hasMessageWithoutStripe: () => cancels.length > 0 || paymentEvents.some(({ verify }) => !verify),
    /** Has the booking's row changed since it was read? Clears the mark: the caller reads the row again. */
    takeBookingChange(): boolean {
      const wasChanged = bookingChanged;
      bookingChanged = false;
      return wasChanged;
    },
    /** The oldest payment event that Stripe need not be asked about. */
    takeVerifiedEvent: () => takeFirst(paymentEvents, ({ verify }) => !verify),
    /** The oldest payment event. */
    takePaymentEvent: () => paymentEvents.shift(),
    takeCancel: () => cancels.shift(),
    /** Puts a payment event back that was taken and not handled. */
    requeue: addPaymentEvent,
    /** What the next run must handle. */
    unhandledEvents: (): PaymentEvent[] => [...paymentEvents],
  };
}

export type Inbox = ReturnType<typeof openInbox>;

const statusKey = defineSearchAttributeKey(bookingStatusAttribute, 'KEYWORD');

/** The attribute is known to the server only if the run was started with it; an unknown one would block the run. */
function showStatus(status: string): void {
  const shown = workflowInfo().typedSearchAttributes.get(statusKey);
  if (shown !== undefined && shown !== status) upsertSearchAttributes([{ key: statusKey, value: status }]);
}

function takeFirst<T>(items: T[], matches: (item: T) => boolean): T | undefined {
  const index = items.findIndex(matches);
  return index < 0 ? undefined : items.splice(index, 1)[0];
}

function isSame(waiting: PaymentEvent, event: PaymentEvent): boolean {
  return waiting.intentId === event.intentId && waiting.verify === event.verify;
}

/**
 * Seconds until an instant, for a query. The workflow's own clock stands still between its tasks, so this reads the
 * worker's, which no decision may rest on.
 */
function secondsLeftUntil(instant: string): number {
  return Math.max(0, Math.ceil((Date.parse(instant) - workflowInfo().unsafe.now()) / 1000));
}
