import type { LedgerEntry } from 'stripe-emulator';
import type { BookingFact, Evidence, PaymentFact } from './facts.ts';
import { groupBy } from './spans.ts';

const isKept = ({ status }: BookingFact) => status === 'confirmed' || status === 'completed';

/** The sum that the customer got back through lost disputes. */
export const lostMinor = ({ disputes }: LedgerEntry) =>
  sum(disputes.filter(({ status }) => status === 'lost').map(({ amount }) => amount));

const isWholeBack = (intent: LedgerEntry) => intent.refundedMinor + lostMinor(intent) >= intent.chargedMinor;

/** Whether the service decided on the refund itself: not one of Stripe's dashboard or of staff. */
const isAutomatic = ({ metadata, status }: LedgerEntry['refunds'][number]) =>
  status !== 'failed' && metadata['refund_ref'] !== undefined && !metadata['reason']?.startsWith('staff:');

/** Whether a payment's money may stay: a bank or Stripe blocks the refund, and staff have a flag. */
function createExcuse({ refunds, flags }: Evidence) {
  const refundsOf = groupBy(refunds, ({ paymentId }) => paymentId);
  const flagged = new Set(
    flags
      .filter(({ kind, isOpen }) => isOpen && (kind === 'refund_failed' || kind === 'refund_stuck'))
      .map(({ bookingId }) => bookingId),
  );
  const disputesFlagged = new Set(
    flags.filter(({ kind, isOpen }) => isOpen && kind === 'dispute').map(({ subject }) => subject),
  );
  return (intent: LedgerEntry, payment: PaymentFact | undefined): boolean => {
    if (!payment) return false;
    const wasRefused = (refundsOf.get(payment.id) ?? []).some(
      ({ status }) => status === 'failed' || status === 'refused',
    );
    if (wasRefused && flagged.has(payment.bookingId)) return true;
    return intent.disputes.some(
      ({ id, status }) => /response|review/.test(status) && disputesFlagged.has(id),
    );
  };
}

export function findUndecidedMoney(evidence: Evidence): string[] {
  const paymentOf = new Map(evidence.payments.map((payment) => [payment.intentId, payment]));
  const bookingOf = new Map(evidence.bookings.map((booking) => [booking.id, booking]));
  const isExcused = createExcuse(evidence);
  return evidence.intents.flatMap((intent) => {
    if (intent.status !== 'succeeded') return [];
    const payment = paymentOf.get(intent.id);
    const booking = payment && bookingOf.get(payment.bookingId);
    const name = `${intent.id} (booking ${booking?.id ?? '?'} ${booking?.status ?? ''})`;
    if (booking && isKept(booking) && booking.confirmedPaymentId === payment?.id) {
      const faults: string[] = [];
      if (intent.chargedMinor !== booking.amountMinor || intent.currency !== booking.currency)
        faults.push(`${name} confirms a booking of another amount`);
      if (intent.refunds.some(isAutomatic)) faults.push(`${name} is confirmed and refunded`);
      return faults;
    }
    if (isWholeBack(intent) || isExcused(intent, payment)) return [];
    const record = evidence.refunds.find((refund) => refund.intentId === intent.id);
    const refund = record ? `refund row ${record.status} ${record.lastError ?? ''}` : 'no refund row';
    return [`${name} is neither confirmed nor refunded; ${refund}`];
  });
}

export function findUnpaidConfirmed({ bookings, payments, intents }: Evidence): string[] {
  const paymentById = new Map(payments.map((payment) => [payment.id, payment]));
  const intentById = new Map(intents.map((intent) => [intent.id, intent]));
  return bookings.filter(isKept).flatMap((booking) => {
    const payment = paymentById.get(booking.confirmedPaymentId ?? 0);
    const intent = intentById.get(payment?.intentId ?? '');
    const isPaid =
      payment?.bookingId === booking.id &&
      intent?.status === 'succeeded' &&
      intent.metadata['booking_ref'] === booking.ref;
    return isPaid
      ? []
      : [`booking ${booking.id} is ${booking.status}, its PaymentIntent ${intent?.id} is ${intent?.status}`];
  });
}

export function findOpenIntents(evidence: Evidence): string[] {
  const { bookings, payments, intents } = evidence;
  const confirming = new Set(bookings.filter(isKept).map((booking) => booking.confirmedPaymentId));
  const paymentOf = new Map(payments.map((payment) => [payment.intentId, payment]));
  const isExcused = createExcuse(evidence);
  return intents.flatMap((intent) => {
    const payment = paymentOf.get(intent.id);
    if (payment && confirming.has(payment.id)) return [];
    const isBack = intent.status === 'succeeded' && (isWholeBack(intent) || isExcused(intent, payment));
    if (intent.status === 'canceled' || isBack) return [];
    const whose = payment?.bookingId ?? `? (ref ${intent.metadata['booking_ref']})`;
    return [`${intent.id} of booking ${whose} is ${intent.status}`];
  });
}

export function findTooMuchBack({ payments, refunds, intents }: Evidence): string[] {
  const refundsOf = groupBy(refunds, ({ paymentId }) => paymentId);
  const onRecord = payments.flatMap(({ id, receivedMinor }) => {
    const standing = (refundsOf.get(id) ?? []).filter(
      ({ status }) => status !== 'failed' && status !== 'dropped',
    );
    const backMinor = sum(standing.map(({ amountMinor }) => amountMinor));
    return backMinor > receivedMinor ? [`payment ${id} brought ${receivedMinor}, ${backMinor} go back`] : [];
  });
  const atStripe = intents
    .filter(({ chargedMinor, refundedMinor }) => refundedMinor > chargedMinor)
    .map(
      ({ id, chargedMinor, refundedMinor }) => `${id} brought ${chargedMinor}, ${refundedMinor} went back`,
    );
  return [...onRecord, ...atStripe];
}

export function findDecisionsNotOnce({ bookings, payments }: Evidence): string[] {
  const bookingOf = new Map(bookings.map((booking) => [booking.id, booking]));
  const ofPayments = payments.flatMap(({ id, bookingId, status, decision }) => {
    if (status !== 'succeeded') return decision ? [`payment ${id} is ${status} and ${decision}`] : [];
    if (!decision) return [`payment ${id} succeeded, and nothing is decided about it`];
    const confirms = bookingOf.get(bookingId)?.confirmedPaymentId === id;
    return confirms === (decision === 'kept')
      ? []
      : [
          `payment ${id} is ${decision}, and ${confirms ? 'confirms' : 'does not confirm'} booking ${bookingId}`,
        ];
  });
  const kept = payments.filter(({ decision }) => decision === 'kept');
  const twice = [...groupBy(kept, ({ bookingId }) => bookingId)]
    .filter(([, ofBooking]) => ofBooking.length > 1)
    .map(([bookingId, ofBooking]) => `booking ${bookingId} keeps ${ofBooking.length} payments`);
  return [...ofPayments, ...twice];
}

export function findRepeatedRefunds({ refunds, intents }: Evidence): string[] {
  const onRecord = [
    ...groupBy(
      refunds,
      ({ paymentId, bookingId, reason }) => `payment ${paymentId} booking ${bookingId} ${reason}`,
    ),
  ]
    .filter(([, same]) => same.length > 1)
    .map(([what, same]) => `${same.length} refunds of ${what}`);
  const made = intents.flatMap(({ refunds: ofIntent }) =>
    ofIntent.filter(({ status, metadata }) => status !== 'failed' && metadata['refund_ref'] !== undefined),
  );
  const atStripe = [...groupBy(made, ({ metadata }) => metadata['refund_ref'])]
    .filter(([, same]) => same.length > 1)
    .map(([ref, same]) => `Stripe made the refund ${ref} ${same.length} times`);
  return [...onRecord, ...atStripe];
}

export function findUnreturned(evidence: Evidence): string[] {
  const intentById = new Map(evidence.intents.map((intent) => [intent.id, intent]));
  const isExcused = createExcuse(evidence);
  return evidence.payments.flatMap((payment) => {
    const intent = intentById.get(payment.intentId ?? '');
    if (payment.decision !== 'returned' || !intent) return [];
    if (isWholeBack(intent) || isExcused(intent, payment)) return [];
    const { chargedMinor, refundedMinor } = intent;
    return [
      `payment ${payment.id} is returned: ${refundedMinor} of ${chargedMinor} went back, and no flag says why`,
    ];
  });
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
