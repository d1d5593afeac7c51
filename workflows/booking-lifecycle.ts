import {
  allHandlersFinished,
  CancellationScope,
  condition,
  patched,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { BookingState } from '../activities/index.ts';
import { clockDoubtMs } from '../domain/limits.ts';
import { type Desk, msUntil } from './inbox.ts';
import type { CancelRequest, PaymentNews } from './messages.ts';
import { databaseSteps, stripeSteps } from './steps.ts';

/**
 * A booking's life, from whatever state its row is in: hold → stay → loose ends. Mail that arrives during the last
 * steps begins the round again, so that nothing is left on the desk when the workflow ends.
 */
export async function liveBooking(desk: Desk, first: BookingState): Promise<BookingState> {
  let booking = desk.show(first);
  do {
    booking = await awaitPayment(desk, booking);
    booking = await closeIntents(desk, booking);
    booking = await awaitEndOfStay(desk, booking);
    booking = await readRemainingMail(desk, booking);
    booking = await closeIntents(desk, booking);
    await condition(() => desk.hasMail() || allHandlersFinished());
  } while (desk.hasMail() || ownsOpenBooking(booking));
  return booking;
}

/** The hold: until it is paid, cancelled, or settled at its deadline with Stripe as the arbiter. */
async function awaitPayment(desk: Desk, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (booking.status === 'pending') {
    const mail = await condition(desk.hasMail, waitMs(booking.settleAt, booking.settleInMs));
    booking = mail ? await readMail(desk, booking) : desk.show(await settleHold(booking.bookingRef));
  }
  return booking;
}

/**
 * The deadline: a hold that nobody began to pay for ends by a local step, which spares the server a third of the work;
 * of any other Stripe is asked.
 */
async function settleHold(bookingRef: string): Promise<BookingState> {
  const hold = { bookingRef, actor: actor() };
  if (patched('expire-unasked-hold')) {
    const booking = await databaseSteps.expireUnaskedHold(hold);
    if (booking.status !== 'pending') return booking;
  }
  return stripeSteps.settleHold(hold);
}

/** The stay: a confirmed booking that this workflow owns, until its end or its cancellation. */
async function awaitEndOfStay(desk: Desk, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (ownsOpenBooking(booking) && booking.status === 'confirmed') {
    const mail = await condition(desk.hasMail, waitMs(booking.endsAt, booking.endsInMs));
    booking = mail
      ? await readMail(desk, booking)
      : desk.show(await databaseSteps.completeStay({ bookingRef: booking.bookingRef, actor: actor() }));
  }
  return booking;
}

/** Mail for a booking that is over: late money is decided, a cancellation gets its answer. */
async function readRemainingMail(desk: Desk, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (desk.hasMail() && !ownsOpenBooking(booking)) booking = await readMail(desk, booking);
  return booking;
}

/**
 * Reads one message. Money before cancellations: who has paid and cancels is refunded, not forgotten. News that Stripe
 * must be asked about comes last.
 */
async function readMail(desk: Desk, booking: BookingState): Promise<BookingState> {
  const plainFirst = desk.hasDoubts() && desk.hasPlainMail() && patched('mail-before-stripe');
  const news = plainFirst ? desk.nextFact() : desk.nextNews();
  if (news) return readNews(desk, booking, news);
  const cancel = desk.nextCancel();
  if (!cancel) return booking;
  const { result, state } = await cancelBooking(booking, cancel.request);
  cancel.result = result;
  return desk.show(state);
}

async function readNews(desk: Desk, booking: BookingState, news: PaymentNews): Promise<BookingState> {
  const state = await (news.verify ? unlessMail(desk, () => settlePayment(news)) : settlePayment(news));
  if (state) return desk.show(state);
  desk.putBack(news);
  return booking;
}

/** Nobody shall pay any more: PaymentIntents that are still open are cancelled, and one that was paid is decided. */
async function closeIntents(desk: Desk, from: BookingState): Promise<BookingState> {
  let booking = from;
  while (booking.hasOpenIntent) {
    const owner = { bookingRef: booking.bookingRef, actor: actor(), workflowId: workflowInfo().workflowId };
    const closed = await unlessMail(desk, () => stripeSteps.closeIntents(owner));
    if (closed) return desk.show(closed);
    booking = await readMail(desk, booking);
  }
  return booking;
}

/** A step at Stripe that takes longer than this is not what mail should wait for. */
const stripePatienceMs = 500;

/**
 * Takes a step that asks Stripe, which may be away for hours: mail that needs no Stripe does not wait for that.
 * @returns undefined when there is such mail; the step is given up, and to be taken again
 */
async function unlessMail(desk: Desk, step: () => Promise<BookingState>): Promise<BookingState | undefined> {
  const scope = new CancellationScope();
  const done = scope.run(step);
  const mail = scope.run(async () => {
    await condition(desk.hasPlainMail);
    if (!patched('mail-before-stripe')) return 'waits';
    await sleep(stripePatienceMs);
    return undefined;
  });
  try {
    const first = await Promise.race([done, mail]);
    return first === 'waits' ? await done : first;
  } finally {
    scope.cancel();
    await Promise.allSettled([done, mail]);
  }
}

/** Decides what a payment is for; asks Stripe first where the news may not be the truth. */
export function settlePayment(news: PaymentNews): Promise<BookingState> {
  const input = { ...news, actor: actor(), workflowId: workflowInfo().workflowId };
  return news.verify ? stripeSteps.verifyPayment(input) : databaseSteps.decidePayment(input);
}

function cancelBooking(booking: BookingState, request: CancelRequest) {
  return databaseSteps.cancelBooking({ bookingRef: booking.bookingRef, ...request });
}

/**
 * How long to wait for an instant. The server's timers run on through an outage, but the database's clock decides:
 * where it is behind and said "not yet", look again when it says. A wait of nothing would go round as fast as it can
 * until that clock arrives, and fill the history.
 */
function waitMs(instant: string, databaseSaysMs: number): number {
  return Math.max(msUntil(instant), Math.min(databaseSaysMs, clockDoubtMs));
}

function ownsOpenBooking(booking: BookingState): boolean {
  if (booking.status === 'pending') return true;
  return booking.status === 'confirmed' && booking.workflowId === workflowInfo().workflowId;
}

function actor(): string {
  return workflowInfo().workflowType;
}
