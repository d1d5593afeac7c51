import { ApplicationFailure } from '@temporalio/common';
import type { Activities, BookingState } from '../../activities/index.ts';
import { type BookingStatus, judgeCancel } from '../../domain/booking.ts';
import { processingGraceMs, processingPollMs } from '../../domain/limits.ts';
import type { PaymentEvent } from '../../domain/messages.ts';

/** The state of a payment at Stripe, and our decision on it. */
export interface FakePayment {
  intentId: string;
  ref: string;
  atStripe: 'open' | 'processing' | 'succeeded' | 'canceled';
  refund?: 'pending' | 'succeeded' | 'stuck';
}

/** The part of a booking's row that the workflows see. Instants are milliseconds on the test server's clock. */
export interface FakeBooking {
  ref: string;
  status: BookingStatus;
  holdExpiresAtMs: number;
  /** Later than the deadline while Stripe says `processing`. */
  settleAtMs: number;
  startsAtMs: number;
  endsAtMs: number;
  workflowId: string;
  /** Another booking holds the room now: late money does not confirm. */
  slotTaken: boolean;
  payments: FakePayment[];
  confirmedBy?: string;
  /** Every move, in order, with the instant at which it was made. */
  moves: { to: BookingStatus; atMs: number }[];
}

type Name = keyof Activities | 'settleHoldWithoutStripe';
/** Runs before an activity does its work: it may throw, wait, or change other state. */
type Before = (attempt: number) => Promise<void> | void;

const freeCancelHours = 24;
/** The real activities wait for an instant this near instead of returning to another timer. */
const shortWaitMs = 2_000;
const nothingToRepair = {
  correctedInstants: 0,
  overdueHolds: 0,
  completedStays: 0,
  endedDelays: 0,
  workflowsStartedAgain: 0,
  openIntentsOfDeadBookings: 0,
  undecidedPayments: 0,
  refundsStartedAgain: 0,
  flagged: 0,
  outboxWaiting: 0,
  outboxDead: 0,
  rowsDeleted: 0,
  failures: {},
  tookMs: {
    correctedInstants: 1,
    completedStays: 1,
    endedDelays: 1,
    undecidedPayments: 1,
    refundsStartedAgain: 1,
    outboxWaiting: 1,
    workflowsStartedAgain: 1,
    flagged: 1,
    rowsDeleted: 1,
    overdueHolds: 1,
    openIntentsOfDeadBookings: 1,
  },
  sweep: undefined,
  instantsCheckedTo: 0,
};
const closedAtStripe = ['succeeded', 'canceled'];

/**
 * The activities over rows in memory, with the real rules (domain/) and the real answers, on the test server's
 * skipping clock.
 *
 * @param clock the database's clock, in epoch milliseconds
 */
export function createFakeActivities(clock: () => Promise<number>) {
  const bookings = new Map<string, FakeBooking>();
  const calls: { name: Name; key: string }[] = [];
  const before = new Map<string, Before>();

  async function enter(name: Name, key: string): Promise<void> {
    calls.push({ name, key });
    await before.get(`${name} ${key}`)?.(
      calls.filter((call) => call.name === name && call.key === key).length,
    );
  }

  function find(ref: string): FakeBooking {
    const booking = bookings.get(ref);
    if (!booking) throw ApplicationFailure.nonRetryable(`no booking ${ref}`, 'BookingNotFound');
    return booking;
  }

  async function stateOf(booking: FakeBooking): Promise<BookingState> {
    const now = await clock();
    return {
      bookingRef: booking.ref,
      status: booking.status,
      settleAt: new Date(booking.settleAtMs).toISOString(),
      settleInMs: Math.max(0, booking.settleAtMs - now),
      endsAt: new Date(booking.endsAtMs).toISOString(),
      endsInMs: Math.max(0, booking.endsAtMs - now),
      workflowId: booking.workflowId,
      hasOpenPayment: booking.payments.some(({ atStripe }) => !closedAtStripe.includes(atStripe)),
    };
  }

  async function move(booking: FakeBooking, to: BookingStatus): Promise<void> {
    booking.status = to;
    booking.moves.push({ to, atMs: await clock() });
  }

  /** Confirm or refund, once. */
  async function decide(booking: FakeBooking, payment: FakePayment, workflowId?: string): Promise<void> {
    if (payment.atStripe !== 'succeeded' || payment.refund || booking.confirmedBy === payment.ref) return;
    const late = booking.status === 'expired' && !booking.slotTaken && booking.startsAtMs > (await clock());
    if (booking.status !== 'pending' && !late) {
      payment.refund = 'pending';
      return;
    }
    booking.confirmedBy = payment.ref;
    if (workflowId) booking.workflowId = workflowId;
    await move(booking, 'confirmed');
  }

  /** Cancels at Stripe every PaymentIntent that is open. */
  function close(booking: FakeBooking): boolean {
    for (const payment of booking.payments) if (payment.atStripe === 'open') payment.atStripe = 'canceled';
    return !booking.payments.some(({ atStripe }) => atStripe === 'processing');
  }

  function paymentOf(ref: string): FakePayment {
    const all = [...bookings.values()].flatMap((booking) => booking.payments);
    const payment = all.find((one) => one.ref === ref);
    if (!payment) throw ApplicationFailure.nonRetryable(`no refund ${ref}`, 'RefundNotFound');
    return payment;
  }

  async function decideEvent(event: PaymentEvent & { workflowId: string }): Promise<BookingState> {
    const booking = find(event.bookingRef);
    const payment = booking.payments.find((one) => one.intentId === event.intentId);
    if (payment) await decide(booking, payment, event.workflowId);
    return stateOf(booking);
  }

  const activities: Activities = {
    async loadBooking({ bookingRef }) {
      await enter('loadBooking', bookingRef);
      return stateOf(find(bookingRef));
    },
    async settleHold({ bookingRef, askStripe }) {
      await enter(askStripe ? 'settleHold' : 'settleHoldWithoutStripe', bookingRef);
      const booking = find(bookingRef);
      const now = await clock();
      if (booking.status !== 'pending' || booking.settleAtMs > now + shortWaitMs) return stateOf(booking);
      const needsStripe = booking.payments.some(({ atStripe }) => atStripe !== 'canceled');
      if (needsStripe && !askStripe) return { ...(await stateOf(booking)), settleInMs: 0 };
      if (!close(booking) && now < booking.holdExpiresAtMs + processingGraceMs) {
        booking.settleAtMs = now + processingPollMs;
        return stateOf(booking);
      }
      for (const payment of booking.payments) await decide(booking, payment);
      if (booking.status === 'pending') await move(booking, 'expired');
      return stateOf(booking);
    },
    async decidePayment(event) {
      await enter('decidePayment', event.bookingRef);
      return decideEvent(event);
    },
    async verifyPayment(event) {
      await enter('verifyPayment', event.bookingRef);
      return decideEvent(event);
    },
    async closePayments({ bookingRef, workflowId }) {
      await enter('closePayments', bookingRef);
      const booking = find(bookingRef);
      if (!close(booking)) throw ApplicationFailure.retryable('Stripe says processing', 'PaymentStillOpen');
      for (const payment of booking.payments) await decide(booking, payment, workflowId);
      return stateOf(booking);
    },
    async cancelBooking(request) {
      await enter('cancelBooking', request.bookingRef);
      const booking = find(request.bookingRef);
      const { status } = booking;
      if (status === 'cancelled')
        return { result: { cancelled: true, refund: false }, state: await stateOf(booking) };
      const [startsAt, now] = [new Date(booking.startsAtMs), new Date(await clock())];
      const { byStaff, refund: refundAsked } = request;
      const seenAsHold = request.seen === 'pending';
      const rules = { status, startsAt, now, freeCancelHours, byStaff, refundAsked, seenAsHold };
      const verdict = judgeCancel(rules);
      if (!verdict.allowed) {
        const result = { cancelled: false as const, reason: verdict.reason, status };
        return { result, state: await stateOf(booking) };
      }
      await move(booking, 'cancelled');
      for (const payment of booking.payments)
        if (verdict.refund && payment.atStripe === 'succeeded') payment.refund ??= 'pending';
      return { result: { cancelled: true, refund: verdict.refund }, state: await stateOf(booking) };
    },
    async completeStay({ bookingRef }) {
      await enter('completeStay', bookingRef);
      const booking = find(bookingRef);
      const due = booking.endsAtMs <= (await clock()) + shortWaitMs;
      if (booking.status === 'confirmed' && due) await move(booking, 'completed');
      return stateOf(booking);
    },
    // A payment has one refund here, named like it.
    async sendRefund({ refundRef }) {
      await enter('sendRefund', refundRef);
      paymentOf(refundRef).refund = 'succeeded';
      return 'succeeded';
    },
    async giveUpRefund({ refundRef }) {
      await enter('giveUpRefund', refundRef);
      paymentOf(refundRef).refund = 'stuck';
    },
    async recordMissedEvents({ since, lookedBackAt }) {
      await enter('recordMissedEvents', 'all');
      const until = new Date(await clock()).toISOString();
      return { missed: since ? 0 : 1, until, lookedBackAt: lookedBackAt ?? until };
    },

    async repairBookings() {
      await enter('repairBookings', 'all');
      return nothingToRepair;
    },
  };

  return {
    activities,
    bookings,
    /** How often an activity was called for a booking (for a payment, where it is about one). */
    count: (name: Name, key: string) => calls.filter((call) => call.name === name && call.key === key).length,
    /** Runs a hook before each call of an activity for this booking or payment. */
    before(name: Name, key: string, run: Before): void {
      before.set(`${name} ${key}`, run);
    },
  };
}

export type FakeActivities = ReturnType<typeof createFakeActivities>;
