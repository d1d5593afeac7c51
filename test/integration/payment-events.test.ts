import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import type { IntentStatus } from '../../db/models.ts';
import { type IntentEvent, recordIntentEvents } from '../../db/stripe-events.ts';
import { newBooking } from '../factories.ts';
import { priceMinor } from './payment-kit.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

/** What an event says it is about. The PaymentIntent is as Stripe names it, whether we know it or not. */
type Subject = Pick<IntentEvent, 'intentId' | 'paymentRef' | 'bookingRef'>;

interface Attempt extends Subject {
  bookingId: number;
}

describe('payment events that are recorded together', () => {
  let system: System;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  async function newHold(): Promise<{ bookingId: number; bookingRef: string }> {
    const { id } = await newBooking(system, guest);
    const [row] = await rows<{ ref: string }>(system.db, 'select ref from bookings where id = ?', [id]);
    return { bookingId: id, bookingRef: row?.ref ?? '' };
  }

  /** An attempt to pay. `known: false`: Stripe's answer that named the PaymentIntent was lost. */
  async function newAttempt(
    hold: { bookingId: number; bookingRef: string },
    { attempt = 1, status = 'requires_payment_method', known = true } = {},
  ): Promise<Attempt> {
    const paymentRef = randomUUID();
    const intentId = `pi_${paymentRef}`;
    await rows(
      system.db,
      `insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status)
       values (?, ?, ?, ?, ?, 'usd', ?)`,
      [paymentRef, hold.bookingId, attempt, known ? intentId : null, priceMinor, status],
    );
    return { ...hold, paymentRef, intentId };
  }

  function eventOf(
    { intentId, paymentRef, bookingRef }: Subject,
    status: IntentStatus,
    differing: Partial<IntentEvent> = {},
  ): IntentEvent {
    return {
      eventId: `evt_${randomUUID()}`,
      type: `payment_intent.${status}`,
      ...{ intentId, paymentRef, bookingRef, status },
      amountMinor: priceMinor,
      receivedMinor: status === 'succeeded' ? priceMinor : 0,
      currency: 'usd',
      chargeId: null,
      eventAt: new Date().toISOString(),
      ...differing,
    };
  }

  const stranger = (bookingRef: string | null): Subject => ({
    bookingRef,
    paymentRef: null,
    intentId: `pi_${randomUUID()}`,
  });

  async function stateOf({ bookingId, paymentRef }: Attempt): Promise<string[]> {
    const [row] = await rows<{ shown: string; status: string; intentId: string; received: number }>(
      system.db,
      `select b.payment_status as shown, p.status, p.stripe_payment_intent_id as "intentId",
              p.amount_received_minor as received
         from bookings b join payments p on p.booking_id = b.id where b.id = ? and p.ref = ?`,
      [bookingId, paymentRef],
    );
    return [row?.shown ?? '', row?.status ?? '', `${row?.received}`, row?.intentId ?? 'unnamed'];
  }

  const flagsOn = async (subject: string) =>
    (await rows<{ kind: string }>(system.db, 'select kind from flags where subject = ?', [subject])).map(
      ({ kind }) => kind,
    );

  const record = (events: IntentEvent[]) => recordIntentEvents(system.db, events, 60_000);

  test('each has the outcome, the message and the effect that it would have alone', async () => {
    const before = await newAttempt(await newHold());
    const told = eventOf(before, 'succeeded');
    expect(await record([told])).toMatchObject([{ outcome: 'recorded' }]);

    const paid = await newAttempt(await newHold());
    const short = await newAttempt(await newHold());
    const lost = await newAttempt(await newHold(), { known: false, status: 'creating' });
    const failed = await newAttempt(await newHold());
    const closed = await newAttempt(await newHold());
    const hold = await newHold();
    const [unknownIntent, unknownBooking] = [stranger(hold.bookingRef), stranger(randomUUID())];
    const recorded = await record([
      told,
      eventOf(paid, 'succeeded'),
      eventOf(short, 'succeeded', { receivedMinor: priceMinor - 1 }),
      eventOf(lost, 'processing'),
      eventOf(failed, 'requires_payment_method', { type: 'payment_intent.payment_failed' }),
      eventOf(closed, 'canceled'),
      eventOf(stranger(null), 'succeeded'),
      eventOf(unknownIntent, 'succeeded'),
      eventOf(unknownBooking, 'succeeded'),
    ]);

    const messageOf = ({ bookingRef, paymentRef, intentId }: Subject, verify: boolean) => ({
      topic: 'payment',
      payload: { bookingRef, paymentRef, intentId, verify },
    });
    const bare = (topic: string, { bookingRef, intentId }: Subject) => ({
      topic,
      payload: { bookingRef, intentId, verify: true },
    });
    expect(
      recorded.map(({ outcome, message: { id: _, ...message } = { id: '' } }) => ({ outcome, ...message })),
    ).toEqual([
      { outcome: 'repeat' },
      { outcome: 'recorded', ...messageOf(paid, false) },
      { outcome: 'to_verify', ...messageOf(short, true) },
      { outcome: 'to_verify', ...messageOf(lost, true) },
      { outcome: 'to_verify', ...messageOf(failed, true) },
      { outcome: 'recorded' },
      { outcome: 'foreign' },
      { outcome: 'unknown_intent', ...bare('payment', unknownIntent) },
      { outcome: 'unknown_booking', ...bare('orphan_payment', unknownBooking) },
    ]);
    const open = 'requires_payment_method';
    expect(await stateOf(paid)).toEqual(['succeeded', 'succeeded', `${priceMinor}`, paid.intentId]);
    expect(await stateOf(short)).toEqual(['pending', open, '0', short.intentId]);
    expect(await stateOf(lost)).toEqual(['processing', 'processing', '0', lost.intentId]);
    expect(await stateOf(failed)).toEqual(['failed', open, '0', failed.intentId]);
    expect(await stateOf(closed)).toEqual(['pending', 'canceled', '0', closed.intentId]);
    expect(await flagsOn(short.intentId)).toEqual(['payment_mismatch']);
    expect(await flagsOn(unknownBooking.intentId)).toEqual(['unknown_booking']);
  });

  test.each([
    ['first', ['canceled', 'succeeded']],
    ['last', ['succeeded', 'canceled']],
  ] as const)(
    'of two attempts at one booking the paid one is shown, the closed one told %s',
    async (_, order) => {
      const hold = await newHold();
      const closed = await newAttempt(hold, { status: 'canceled' });
      const paid = await newAttempt(hold, { attempt: 2 });
      const attempts = { canceled: closed, succeeded: paid };
      const recorded = await record(order.map((status) => eventOf(attempts[status], status)));
      expect(recorded.map(({ outcome }) => outcome)).toEqual(['recorded', 'recorded']);
      expect((await stateOf(paid)).slice(0, 2)).toEqual(['succeeded', 'succeeded']);
    },
  );

  test('a final answer that contradicts an earlier one changes nothing, and Stripe is asked', async () => {
    const attempt = await newAttempt(await newHold());
    await record([eventOf(attempt, 'succeeded')]);
    const [second] = await record([eventOf(attempt, 'canceled')]);
    expect(second).toMatchObject({ outcome: 'to_verify', message: { payload: { verify: true } } });
    expect((await stateOf(attempt)).slice(0, 2)).toEqual(['succeeded', 'succeeded']);
  });

  test('the same events in many calls at once are recorded once each, whatever their order', async () => {
    const attempts = await Promise.all(Array.from({ length: 12 }, async () => newAttempt(await newHold())));
    const events = attempts.map((attempt) => eventOf(attempt, 'succeeded'));
    const calls = Array.from({ length: 6 }, (_, n) => [...events.slice(n * 2), ...events.slice(0, n * 2)]);
    const outcomes = (await Promise.all(calls.map(record))).flat().map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'recorded')).toHaveLength(events.length);
    expect(outcomes.filter((outcome) => outcome === 'repeat')).toHaveLength(events.length * 5);
  });
});
