import { allHandlersFinished, CancellationScope, condition, sleep, workflowInfo } from '@temporalio/workflow';
import type { BookingState } from '../activities/index.ts';
import { clockDoubtMs } from '../domain/limits.ts';
import type { PaymentEvent } from '../domain/messages.ts';
import type { Inbox } from './inbox.ts';
import { databaseSteps, stripeSteps } from './steps.ts';

export interface BookingRun {
  status: BookingState['status'];
  /** False when the history has grown long and another run must go on. */
  isOver: boolean;
}

/**
 * Runs a booking from whatever state its row is in: hold → stay → what is left to do. Messages that arrive during the
 * last stages begin the round again, so that none is left in the inbox when the workflow ends.
 */
export async function runBooking(inbox: Inbox, first: BookingState): Promise<BookingRun> {
  let booking = inbox.show(first);
  const stages = [awaitPayment, closePayments, awaitEndOfStay, handleRemainingMessages, closePayments];
  do {
    for (const stage of stages) {
      booking = await stage(inbox, booking);
      if (mustContinueAsNew(inbox)) return { status: booking.status, isOver: false };
    }
    await condition(() => inbox.hasMessages() || allHandlersFinished());
  } while (inbox.hasMessages() || ownsOpenBooking(booking));
  return { status: booking.status, isOver: true };
}

/** Has the history grown so long that Temporal suggests another run? Cancellations get their answers from this one. */
function mustContinueAsNew(inbox: Inbox): boolean {
  return workflowInfo().continueAsNewSuggested && !inbox.hasCancels() && allHandlersFinished();
}

/** The hold: until it is paid, cancelled, or settled at its deadline with Stripe as the arbiter. */
async function awaitPayment(inbox: Inbox, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (booking.status === 'pending' && !mustContinueAsNew(inbox)) {
    const isInterrupted = await condition(inbox.hasMessages, waitMs(booking.settleAt, booking.settleInMs));
    booking = isInterrupted
      ? await handleMessage(inbox, booking)
      : inbox.show(await settleHold(booking.bookingRef));
  }
  return booking;
}

/**
 * The deadline. A hold without an open payment is settled by a local step, which spares the Temporal server a third of
 * the work; any other is settled with Stripe.
 */
async function settleHold(bookingRef: string): Promise<BookingState> {
  const hold = { bookingRef, actor: actor() };
  const booking = await databaseSteps.settleHold({ ...hold, askStripe: false });
  const mustAskStripe = booking.status === 'pending' && booking.settleInMs === 0;
  return mustAskStripe ? stripeSteps.settleHold({ ...hold, askStripe: true }) : booking;
}

/** The stay: a confirmed booking that this workflow owns, until its end or its cancellation. */
async function awaitEndOfStay(inbox: Inbox, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (ownsOpenBooking(booking) && booking.status === 'confirmed' && !mustContinueAsNew(inbox)) {
    const isInterrupted = await condition(inbox.hasMessages, waitMs(booking.endsAt, booking.endsInMs));
    booking = isInterrupted
      ? await handleMessage(inbox, booking)
      : inbox.show(await databaseSteps.completeStay({ bookingRef: booking.bookingRef, actor: actor() }));
  }
  return booking;
}

/** Messages for a booking that is over: a late payment is decided, a cancellation gets its answer. */
async function handleRemainingMessages(inbox: Inbox, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (inbox.hasMessages() && !ownsOpenBooking(booking) && !mustContinueAsNew(inbox)) {
    booking = await handleMessage(inbox, booking);
  }
  return booking;
}

/**
 * Handles one message. Payments come before cancellations, so that a guest who pays and cancels is refunded. Payment
 * events that Stripe must be asked about come last, since Stripe may be away.
 */
async function handleMessage(inbox: Inbox, booking: BookingState): Promise<BookingState> {
  const { bookingRef } = booking;
  if (inbox.takeBookingChange()) return inbox.show(await databaseSteps.loadBooking({ bookingRef }));
  const event = inbox.hasMessageWithoutStripe() ? inbox.takeVerifiedEvent() : inbox.takePaymentEvent();
  if (event) return handlePaymentEvent(inbox, booking, event);
  const cancel = inbox.takeCancel();
  if (!cancel) return booking;
  const { result, state } = await databaseSteps.cancelBooking({ bookingRef, ...cancel.request });
  cancel.result = result;
  return inbox.show(state);
}

/** Decides what a payment is for. Stripe is asked first where the event may not be the truth. */
async function handlePaymentEvent(
  inbox: Inbox,
  booking: BookingState,
  event: PaymentEvent,
): Promise<BookingState> {
  const input = { ...event, actor: actor(), workflowId: workflowInfo().workflowId };
  const decided = event.verify
    ? await unlessInterrupted(inbox.hasMessageWithoutStripe, () => stripeSteps.verifyPayment(input))
    : await databaseSteps.decidePayment(input);
  if (decided) return inbox.show(decided);
  inbox.requeue(event);
  return booking;
}

/** Closes every PaymentIntent that could still be paid, and decides a payment that turns out to be paid. */
async function closePayments(inbox: Inbox, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (booking.hasOpenPayment && !mustContinueAsNew(inbox)) {
    const input = { bookingRef: booking.bookingRef, actor: actor(), workflowId: workflowInfo().workflowId };
    // Any message interrupts this step, which asks Stripe less and less often: the message may be what it waits for.
    const closed = await unlessInterrupted(inbox.hasMessages, () => stripeSteps.closePayments(input));
    if (closed) return inbox.show(closed);
    booking = await handleMessage(inbox, booking);
  }
  return booking;
}

/** After this long a step that asks Stripe is interrupted by messages that wait. */
const stripeStepGraceMs = 500;

/**
 * Takes a step that asks Stripe, which may be away for hours: messages that do not need Stripe do not wait for it.
 * @param isInterrupted says that such a message waits
 * @returns undefined when the step was interrupted; it is to be taken again
 */
async function unlessInterrupted(
  isInterrupted: () => boolean,
  step: () => Promise<BookingState>,
): Promise<BookingState | undefined> {
  const scope = new CancellationScope();
  const done = scope.run(step);
  const interrupted = scope.run(async () => {
    await condition(isInterrupted);
    await sleep(stripeStepGraceMs);
    return undefined;
  });
  try {
    return await Promise.race([done, interrupted]);
  } finally {
    scope.cancel();
    await Promise.allSettled([done, interrupted]);
  }
}

/**
 * How long to wait for an instant. The server's timers run on through an outage, but the database's clock decides: where
 * it is behind the server's, the workflow waits for as long as the database says. A zero wait would spin until the
 * database's clock arrives, and fill the history.
 */
function waitMs(instant: string, databaseSaysMs: number): number {
  const serverSaysMs = Date.parse(instant) - Date.now();
  return Math.max(0, serverSaysMs, Math.min(databaseSaysMs, clockDoubtMs));
}

function ownsOpenBooking(booking: BookingState): boolean {
  if (booking.status === 'pending') return true;
  return booking.status === 'confirmed' && booking.workflowId === workflowInfo().workflowId;
}

function actor(): string {
  return workflowInfo().workflowType;
}
