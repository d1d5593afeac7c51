import { describe, expect, test } from 'vitest';
import type { LedgerEntry } from 'stripe-emulator';
import type { BookingFact, Evidence, MoveFact } from '../chaos/facts.ts';
import { checkInvariants } from '../chaos/invariants.ts';

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
  isLongOver: false,
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
      { id: 11, bookingId: 1, intentId: 'pi_1', status: 'succeeded' },
      { id: 12, bookingId: 2, intentId: 'pi_2', status: 'canceled' },
    ],
    refunds: [],
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
      ({ intents }) => Object.assign(intents[0] ?? {}, { refundedMinor: 2_000 }),
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
