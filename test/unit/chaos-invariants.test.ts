import { describe, expect, test } from 'vitest';
import type { LedgerEntry } from 'stripe-emulator';
import type {
  BookingFact,
  Evidence,
  MoveFact,
  PaymentFact,
  RefundFact,
  ShownBooking,
} from '../chaos/facts.ts';
import { checkInvariants, invariants } from '../chaos/invariants.ts';

const second = 1_000_000;
const noon = Date.UTC(2030, 0, 1, 12) * 1_000;

const booking = (id: number, facts: Partial<BookingFact> = {}): BookingFact => ({
  id,
  ref: `ref-${id}`,
  key: `key-${id}`,
  roomId: 1,
  date: '2030-02-01',
  startMinute: 540,
  endMinute: 600,
  from: noon,
  to: noon + 3_600 * second,
  status: 'expired',
  isOver: false,
  isLongOver: false,
  followsRoomZone: true,
  numberOfSlots: 2,
  amountMinor: 2_000,
  currency: 'usd',
  deadline: noon,
  wasProcessing: false,
  workflowId: `booking-ref-${id}`,
  confirmedPaymentId: null,
  ...facts,
});

const move = (bookingId: number, fromStatus: string | null, toStatus: string, at: number): MoveFact => ({
  bookingId,
  fromStatus,
  toStatus,
  cause: '',
  actor: '',
  at,
  committedAt: at + 1_000,
});

const intent = (id: string, facts: Partial<LedgerEntry> = {}): LedgerEntry => ({
  id,
  status: 'canceled',
  amount: 2_000,
  currency: 'usd',
  metadata: { booking_ref: 'ref-1' },
  chargedMinor: 0,
  refundedMinor: 0,
  refunds: [],
  succeededAt: null,
  canceledAt: null,
  disputed: false,
  disputes: [],
  ...facts,
});

const payment = (id: number, facts: Partial<PaymentFact> = {}): PaymentFact => ({
  ...{ id, bookingId: 1, intentId: `pi_${id}`, status: 'canceled', decision: null, receivedMinor: 0 },
  ...facts,
});

const refund = (id: number, facts: Partial<RefundFact> = {}): RefundFact => ({
  ...{ id, paymentId: 13, bookingId: 2, intentId: 'pi_3', status: 'succeeded', reason: 'late' },
  ...{ amountMinor: 2_000, stripeId: `re_${id}`, lastError: null },
  ...facts,
});

const shownPayment = { intentId: 'pi_3', refundedMinor: 0, disputedMinor: 0, refunds: [] };

const shown = (bookingId: number, facts: Partial<ShownBooking> = {}): ShownBooking => ({
  ...{ bookingId, answer: 200, paymentStatus: 'refunded', amountMinor: 2_000, payment: null },
  ...facts,
});

/** Sound as well: the payment of booking 2 came late, and went back whole. */
function withRefund(): Evidence {
  const evidence = soundEvidence();
  const made = { id: 're_1', amount: 2_000, status: 'succeeded' as const, reason: null, created: 0 };
  evidence.payments.push(
    payment(13, {
      ...{ bookingId: 2, intentId: 'pi_3', status: 'succeeded' },
      ...{ decision: 'returned', receivedMinor: 2_000 },
    }),
  );
  evidence.refunds.push(refund(1));
  evidence.intents.push(
    intent('pi_3', {
      ...{ status: 'succeeded', chargedMinor: 2_000, refundedMinor: 2_000 },
      metadata: { booking_ref: 'ref-2' },
      refunds: [{ ...made, metadata: { refund_ref: 'ref', reason: 'late' } }],
    }),
  );
  evidence.shown.push(
    shown(2, {
      payment: {
        ...{ intentId: 'pi_3', refundedMinor: 2_000, disputedMinor: 0 },
        refunds: [{ status: 'succeeded', amountMinor: 2_000 }],
      },
    }),
  );
  return evidence;
}

/** The bank has returned that refund: nothing of it is with the customer, and staff knows. */
function withFailedRefund(): Evidence {
  const evidence = withRefund();
  Object.assign(evidence.refunds[0] ?? {}, { status: 'failed' });
  Object.assign(evidence.intents[2] ?? {}, { refundedMinor: 0 });
  Object.assign(evidence.intents[2]?.refunds[0] ?? {}, { status: 'failed' });
  const failed = { status: 'failed', amountMinor: 2_000 };
  Object.assign(evidence.shown[1] ?? {}, {
    paymentStatus: 'succeeded',
    payment: { ...shownPayment, refunds: [failed] },
  });
  evidence.flags.push({ kind: 'refund_failed', subject: 're_1', bookingId: 2, isOpen: true });
  return evidence;
}

/** The customer has the money back by a dispute that was lost. */
function withLostDispute(): Evidence {
  const evidence = withRefund();
  const dispute = { id: 'du_1', amount: 2_000, status: 'lost' as const };
  evidence.refunds.pop();
  Object.assign(evidence.intents[2] ?? {}, { refundedMinor: 0, refunds: [], disputes: [dispute] });
  evidence.disputes.push({ id: 'du_1', paymentId: 13, amountMinor: 2_000, status: 'lost' });
  Object.assign(evidence.shown[1] ?? {}, { payment: { ...shownPayment, disputedMinor: 2_000 } });
  return evidence;
}

/** Booking 1 was paid and is confirmed; booking 2 took another time, and expired with its PaymentIntent canceled. */
function soundEvidence(): Evidence {
  return {
    bookings: [
      booking(1, { status: 'confirmed', confirmedPaymentId: 11 }),
      booking(2, {
        from: noon + 7_200 * second,
        to: noon + 9_000 * second,
        startMinute: 660,
        endMinute: 690,
      }),
    ],
    moves: [
      move(1, null, 'pending', noon - 6 * second),
      move(1, 'pending', 'confirmed', noon - 3 * second),
      move(2, null, 'pending', noon - 6 * second),
      move(2, 'pending', 'expired', noon + second),
    ],
    claims: [{ bookingId: 1, roomId: 1, from: noon, to: noon + 3_600 * second }],
    payments: [
      {
        ...{ id: 11, bookingId: 1, intentId: 'pi_1', status: 'succeeded' },
        ...{ decision: 'kept', receivedMinor: 2_000 },
      },
      payment(12, { bookingId: 2, intentId: 'pi_2' }),
    ],
    refunds: [],
    disputes: [],
    flags: [],
    shown: [shown(1, { paymentStatus: 'succeeded', payment: { ...shownPayment, intentId: 'pi_1' } })],
    prices: [{ roomId: 1, priceMinor: 1_000, from: 0, until: Number.POSITIVE_INFINITY }],
    stops: [{ name: 'api-1', tookMs: 900 }],
    databaseClockMs: 0,
    outbox: [],
    storedEvents: new Set(['evt_1']),
    acceptedEvents: new Set(['evt_1']),
    intents: [
      intent('pi_1', { status: 'succeeded', chargedMinor: 2_000 }),
      intent('pi_2', { metadata: { booking_ref: 'ref-2' } }),
    ],
    undelivered: 0,
    running: [{ workflowId: 'booking-ref-1', type: 'bookingWorkflow' }],
    answers: [],
    recoveredAt: noon / 1_000,
  };
}

const slot = { roomId: 1, date: '2030-02-01', start: 540, end: 600 };
const asked = { call: 'book' as const, visit: 1, key: 'key-1', slot };
const quoted = {
  ...asked,
  status: 201,
  code: '',
  bookingId: 1,
  amountMinor: 2_000,
  sentAt: 5,
  answeredAt: 9,
};

const damage = (sound: () => Evidence, change: (evidence: Evidence) => unknown) => () => {
  const evidence = sound();
  change(evidence);
  return evidence;
};

const broken = (evidence: Evidence) => [
  ...new Set(checkInvariants(evidence).map(({ invariant }) => invariant)),
];

describe('the checks behind the chaos runs and the property tests', () => {
  test('find nothing in sound evidence', () => {
    expect(checkInvariants(soundEvidence())).toEqual([]);
  });

  const damages: [invariant: string, what: string, damage: (evidence: Evidence) => void][] = [
    [
      'I1',
      'two bookings in one slot at once, though one of them expired later',
      ({ bookings }) => Object.assign(bookings[1] ?? {}, { from: noon, to: noon + 1_800 * second }),
    ],
    [
      'I2',
      'money that confirmed and went back',
      ({ intents }) =>
        void intents[0]?.refunds.push({
          ...{ id: 're_9', amount: 2_000, status: 'succeeded', reason: null, created: 0 },
          metadata: { refund_ref: 'ref', reason: 'duplicate' },
        }),
    ],
    [
      'I2',
      'money of an expired booking that stays',
      ({ intents }) => Object.assign(intents[1] ?? {}, { status: 'succeeded', chargedMinor: 2_000 }),
    ],
    [
      'I2',
      'another amount than the price',
      ({ intents }) => Object.assign(intents[0] ?? {}, { chargedMinor: 1 }),
    ],
    [
      'I3',
      'a confirmed booking whose PaymentIntent is canceled',
      ({ intents }) => Object.assign(intents[0] ?? {}, { status: 'canceled' }),
    ],
    [
      'I3',
      'a confirmed booking with the PaymentIntent of another',
      ({ intents }) => Object.assign(intents[0] ?? {}, { metadata: { booking_ref: 'ref-2' } }),
    ],
    [
      'I4',
      'a hold that ended 61 s after the recovery',
      ({ moves }) => Object.assign(moves[3] ?? {}, { committedAt: noon + 61 * second }),
    ],
    [
      'I4',
      'a hold that never ended',
      ({ moves, bookings }) => {
        moves.pop();
        Object.assign(bookings[1] ?? {}, { status: 'pending' });
      },
    ],
    [
      'I5',
      'an open PaymentIntent of an expired booking',
      ({ intents }) => Object.assign(intents[1] ?? {}, { status: 'requires_payment_method' }),
    ],
    [
      'I6',
      'a promised booking that is not there',
      ({ answers }) =>
        void (answers as unknown[]).push({
          ...asked,
          status: 201,
          code: '',
          bookingId: 9,
          sentAt: 0,
          answeredAt: 0,
        }),
    ],
    [
      'I6',
      'a refusal while the slot was free',
      ({ answers }) =>
        void (answers as unknown[]).push({
          ...asked,
          status: 409,
          code: 'slot_taken',
          sentAt: noon / 1_000 - 9_000,
          answeredAt: noon / 1_000 - 8_000,
        }),
    ],
    ['I6', 'two bookings of one wish', ({ bookings }) => Object.assign(bookings[1] ?? {}, { key: 'key-1' })],
    ['claims', 'a confirmed booking without its claim', ({ claims }) => void claims.pop()],
    [
      'claims',
      'an expired booking that keeps its claim',
      ({ claims }) =>
        void claims.push({ bookingId: 2, roomId: 1, from: noon + 7_200 * second, to: noon + 9_000 * second }),
    ],
    [
      'claims',
      'a claim of another time than the booking’s',
      ({ claims }) => Object.assign(claims[0] ?? {}, { to: noon + 1_800 * second }),
    ],
    [
      'claims',
      'two claims of one time',
      ({ claims, bookings }) => {
        Object.assign(bookings[1] ?? {}, { status: 'completed', from: noon + second, to: noon + 2 * second });
        claims.push({ bookingId: 2, roomId: 1, from: noon + second, to: noon + 2 * second });
      },
    ],
    ['I7', 'an illegal move', ({ moves }) => Object.assign(moves[3] ?? {}, { toStatus: 'completed' })],
    [
      'I7',
      'a status that no event tells of',
      ({ bookings }) => Object.assign(bookings[1] ?? {}, { status: 'cancelled' }),
    ],
    ['I8', 'an accepted event that was forgotten', ({ acceptedEvents }) => acceptedEvents.add('evt_2')],
    ['I9', 'a confirmed booking without its workflow', ({ running }) => running.pop()],
    [
      'I9',
      'a workflow of an expired booking',
      ({ running }) => running.push({ workflowId: 'booking-ref-2', type: 'bookingWorkflow' }),
    ],
    [
      'I9',
      'a message that is left',
      ({ outbox }) => outbox.push({ id: '1', topic: 'payment', attempts: 0, dead: false, lastError: null }),
    ],
    [
      'M2',
      'a payment about which nothing is decided',
      ({ payments }) => Object.assign(payments[0] ?? {}, { decision: null }),
    ],
    [
      'M2',
      'a payment that is kept and confirms nothing',
      ({ bookings }) => Object.assign(bookings[0] ?? {}, { confirmedPaymentId: null, status: 'cancelled' }),
    ],
    [
      'M2',
      'a booking that keeps two payments',
      ({ payments }) =>
        void payments.push(payment(14, { status: 'succeeded', decision: 'kept', receivedMinor: 2_000 })),
    ],
    [
      'ledger',
      'a payment of another amount than on record',
      ({ payments }) => Object.assign(payments[0] ?? {}, { receivedMinor: 1_000 }),
    ],
    [
      'quotes',
      'a booking that costs another amount than its answer said',
      ({ answers }) => void (answers as unknown[]).push({ ...quoted, amountMinor: 1_000 }),
    ],
    [
      'quotes',
      'a booking by a price that its room no longer had',
      ({ answers, prices }) => {
        (answers as unknown[]).push(quoted);
        Object.assign(prices[0] ?? {}, { until: quoted.sentAt - 1 });
      },
    ],
    [
      'clocks',
      'a hold that ended before its deadline',
      ({ moves }) => Object.assign(moves[3] ?? {}, { committedAt: noon - 2 * second }),
    ],
    [
      'clocks',
      'a stay that was completed before its end',
      ({ bookings }) => Object.assign(bookings[0] ?? {}, { status: 'completed' }),
    ],
    ['clocks', 'a wrong clock that no flag tells of', (evidence) => (evidence.databaseClockMs = 20_000)],
    [
      'zones',
      'a stay whose instants are of another zone',
      ({ bookings }) => Object.assign(bookings[0] ?? {}, { followsRoomZone: false }),
    ],
    [
      'stops',
      'a process that did not stop',
      ({ stops }) => Object.assign(stops[0] ?? {}, { tookMs: 90_000 }),
    ],
    [
      '5xx',
      'an internal error',
      ({ answers }) =>
        void (answers as unknown[]).push({
          ...asked,
          call: 'cancel',
          status: 500,
          code: 'internal_error',
          sentAt: 0,
          answeredAt: 0,
        }),
    ],
  ];

  test('find nothing in sound evidence of money that went back, failed to, or was disputed', () => {
    for (const evidence of [withRefund(), withFailedRefund(), withLostDispute()])
      expect(checkInvariants(evidence)).toEqual([]);
  });

  const returned: [invariant: string, what: string, damaged: () => Evidence][] = [
    [
      'M1',
      'two refunds that are more than came',
      damage(withRefund, ({ refunds }) => refunds.push(refund(2))),
    ],
    [
      'M1',
      'more at Stripe than came',
      damage(withRefund, ({ intents }) => Object.assign(intents[2] ?? {}, { refundedMinor: 2_001 })),
    ],
    [
      'M4',
      'two refunds for one reason',
      damage(withRefund, ({ refunds }) => refunds.push(refund(2, { status: 'dropped', stripeId: null }))),
    ],
    [
      'M4',
      'one refund that Stripe made twice',
      damage(withRefund, ({ intents }) => {
        const made = intents[2]?.refunds[0];
        if (made) intents[2]?.refunds.push({ ...made, id: 're_2' });
      }),
    ],
    [
      'M5',
      'a returned payment that went back in part',
      damage(withRefund, ({ intents }) => Object.assign(intents[2] ?? {}, { refundedMinor: 1_000 })),
    ],
    ['M5', 'a refund that failed, and no flag', damage(withFailedRefund, ({ flags }) => flags.pop())],
    [
      'M5',
      'a dispute that was won, and no refund',
      damage(withLostDispute, ({ intents }) =>
        Object.assign(intents[2]?.disputes[0] ?? {}, { status: 'won' }),
      ),
    ],
    ['ledger', 'a refund that only Stripe knows', damage(withRefund, ({ refunds }) => refunds.pop())],
    [
      'ledger',
      'a dispute whose end is not on record',
      damage(withLostDispute, ({ disputes }) =>
        Object.assign(disputes[0] ?? {}, { status: 'needs_response' }),
      ),
    ],
    [
      'api',
      'a refund that failed and is shown as arrived',
      damage(withFailedRefund, (evidence) => Object.assign(evidence.shown[1] ?? {}, withRefund().shown[1])),
    ],
    [
      'api',
      'disputed money that is not shown',
      damage(withLostDispute, (evidence) =>
        Object.assign(evidence.shown[1] ?? {}, { payment: shownPayment }),
      ),
    ],
    [
      'api',
      'a booking that the API does not show',
      damage(withRefund, (evidence) => Object.assign(evidence.shown[1] ?? {}, { answer: 503 })),
    ],
    [
      'I9',
      'a refund that is still to be sent',
      damage(withRefund, ({ refunds }) => Object.assign(refunds[0] ?? {}, { status: 'pending' })),
    ],
  ];

  test.each(returned)('%s: find %s', (invariant, _what, damaged) => {
    expect(broken(damaged())).toContain(invariant);
  });

  test('every invariant has a damage that turns it red', () => {
    const tried = new Set([...damages, ...returned].map(([invariant]) => invariant));
    expect([...tried].sort()).toEqual(Object.keys(invariants).sort());
  });

  test.each(damages)('%s: find %s', (invariant, _what, damage) => {
    const evidence = soundEvidence();
    damage(evidence);
    expect(broken(evidence)).toContain(invariant);
  });

  test('I6: a refusal that met an active booking is right', () => {
    const evidence = soundEvidence();
    const at = noon / 1_000;
    evidence.answers = [{ ...asked, status: 409, code: 'slot_taken', sentAt: at, answeredAt: at + 5 }];
    expect(broken(evidence)).toEqual([]);
  });
});
