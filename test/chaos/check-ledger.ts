import type { LedgerEntry } from 'stripe-emulator';
import { lostMinor, sum } from './check-money.ts';
import type { Evidence, PaymentFact } from './facts.ts';
import { groupBy } from './spans.ts';

/** Checks that Stripe's refunds and disputes are on record, with their amounts and states. */
export function findOtherRecords({ payments, refunds, disputes, intents }: Evidence): string[] {
  const paymentOf = new Map(payments.map((payment) => [payment.intentId, payment]));
  const ours = new Map<string, string>();
  for (const { stripeId, amountMinor, status } of refunds)
    if (stripeId) ours.set(stripeId, `${amountMinor} ${status}`);
  for (const { id, amountMinor, status } of disputes) ours.set(id, `${amountMinor} ${status}`);
  const theirs = new Map<string, string>();
  const faults: string[] = [];
  for (const intent of intents) {
    const payment = paymentOf.get(intent.id);
    if (intent.status === 'succeeded' && payment?.receivedMinor !== intent.chargedMinor)
      faults.push(`${intent.id} brought ${intent.chargedMinor}, on record is ${payment?.receivedMinor}`);
    for (const { id, amount, status } of intent.refunds)
      theirs.set(id, `${amount} ${status === 'pending' ? 'submitted' : status}`);
    for (const { id, amount, status } of intent.disputes) theirs.set(id, `${amount} ${status}`);
  }
  for (const id of new Set([...ours.keys(), ...theirs.keys()]))
    if (ours.get(id) !== theirs.get(id))
      faults.push(
        `${id}: Stripe says ${theirs.get(id) ?? 'nothing'}, on record is ${ours.get(id) ?? 'nothing'}`,
      );
  return faults;
}

/** Checks that the money of a booking in the API equals the money that moved at Stripe. */
export function findFalselyShown(evidence: Evidence): string[] {
  const intentById = new Map(evidence.intents.map((intent) => [intent.id, intent]));
  const bookingById = new Map(evidence.bookings.map((booking) => [booking.id, booking]));
  const paymentsOf = groupBy(evidence.payments, ({ bookingId }) => bookingId);
  const refundsOf = groupBy(
    evidence.refunds.filter(({ status }) => status !== 'dropped'),
    ({ intentId }) => intentId,
  );
  return evidence.shown.flatMap((shown) => {
    const { bookingId, answer, payment } = shown;
    if (answer !== 200) return [`booking ${bookingId} is not shown: ${answer || 'no answer'}`];
    const booking = bookingById.get(bookingId);
    const faults: string[] = [];
    const expect = (what: string, theirs: unknown, is: unknown) => {
      if (theirs !== is)
        faults.push(`booking ${bookingId} shows ${what} ${String(theirs)}, it is ${String(is)}`);
    };
    expect('the amount', shown.amountMinor, booking?.amountMinor);
    const intent = intentById.get(payment?.intentId ?? '');
    if (payment && intent) {
      expect('refunded', payment.refundedMinor, arrivedMinor(intent));
      expect('disputed', payment.disputedMinor, withdrawnMinor(intent));
      expect('the refunds', textOf(payment.refunds), textOf(refundsOf.get(intent.id) ?? []));
    }
    const paid = (paymentsOf.get(bookingId) ?? []).filter(({ status }) => status === 'succeeded');
    const counting = paid.filter(({ id }) => id === (booking?.confirmedPaymentId ?? id));
    if (counting.length > 0) expect('the payment as', shown.paymentStatus, statusOf(counting, intentById));
    return faults;
  });
}

function statusOf(paid: readonly PaymentFact[], intentById: ReadonlyMap<string, LedgerEntry>): string {
  const isBack = paid.every(({ intentId, receivedMinor }) => {
    const intent = intentById.get(intentId ?? '');
    return intent !== undefined && receivedMinor <= arrivedMinor(intent) + lostMinor(intent);
  });
  return isBack ? 'refunded' : 'succeeded';
}

const arrivedMinor = ({ refunds }: LedgerEntry) =>
  sum(refunds.filter(({ status }) => status === 'succeeded').map(({ amount }) => amount));

/** The sum that banks hold because of open disputes, or have taken for lost ones; an inquiry takes nothing. */
const withdrawnMinor = ({ disputes }: LedgerEntry) =>
  sum(
    disputes
      .filter(({ status }) => !status.startsWith('warning') && status !== 'won' && status !== 'prevented')
      .map(({ amount }) => amount),
  );

const textOf = (refunds: readonly { status: string; amountMinor: number }[]) =>
  refunds
    .map(({ status, amountMinor }) => `${amountMinor} ${status}`)
    .sort()
    .join(', ');

/** Checks that bookings cost what their answers said, by a price that the room had during the request. */
export function findOtherAmounts({ bookings, answers, prices }: Evidence): string[] {
  const bookingById = new Map(bookings.map((booking) => [booking.id, booking]));
  const pricesOf = groupBy(prices, ({ roomId }) => roomId);
  const askedAt = new Map<string, number>();
  for (const { key, sentAt } of answers) askedAt.set(key, Math.min(sentAt, askedAt.get(key) ?? sentAt));
  return answers.flatMap(({ call, bookingId, amountMinor, key, sentAt, answeredAt }) => {
    const booking = bookingById.get(bookingId ?? 0);
    if (amountMinor === undefined || !booking) return [];
    if (amountMinor !== booking.amountMinor)
      return [`${call}: booking ${booking.id} was to cost ${amountMinor}, it costs ${booking.amountMinor}`];
    const ofRoom = pricesOf.get(booking.roomId);
    if (call !== 'book' || !ofRoom) return [];
    const isPrice = ofRoom.some(
      ({ priceMinor, from, until }) =>
        priceMinor * booking.numberOfSlots === amountMinor &&
        from <= answeredAt &&
        until >= (askedAt.get(key) ?? sentAt),
    );
    return isPrice ? [] : [`booking ${booking.id} costs ${amountMinor}, by no price that its room had then`];
  });
}
