import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { pino } from 'pino';
import type Stripe from 'stripe';
import { expect } from 'vitest';
import { createActivities } from '../../../activities/index.ts';
import { createEventRecorder } from '../../../core/payments/record-event.ts';
import { recordMoneyMoved } from '../../../core/payments/record-money-moved.ts';
import { refundCancelled } from '../../../core/payments/refund-cancelled.ts';
import { retryRefund } from '../../../core/payments/retry-refund.ts';
import { findBooking } from '../../../db/bookings.ts';
import { type Db, rows } from '../../../db/knex.ts';
import { listRefunds } from '../../../db/refunds.ts';
import { Problem } from '../../../domain/problems.ts';
import { createStripeModel, type StripeModel } from './stripe-model.ts';

/** What may happen to the money of a booking, in any order. */
export type MoneyStep =
  | { do: 'deliver' | 'repeat' | 'endRefund' | 'failRefund' | 'win' | 'lose' | 'retry'; n: number }
  | { do: 'byHand' | 'dispute' | 'inquire'; share: number }
  | {
      do:
        | 'cancelByGuest'
        | 'cancelByStaff'
        | 'send'
        | 'slow'
        | 'fast'
        | 'loseAnswer'
        | 'noBalance'
        | 'second';
    };

const counted = fc.constantFrom(
  'deliver',
  'deliver',
  'repeat',
  'endRefund',
  'failRefund',
  'win',
  'lose',
  'retry',
);
const shared = fc.constantFrom('byHand', 'byHand', 'dispute', 'inquire');
const plain = fc.constantFrom(
  'cancelByGuest',
  'cancelByStaff',
  'send',
  'send',
  'slow',
  'fast',
  'loseAnswer',
  'noBalance',
  'second',
);

export const moneySteps: fc.Arbitrary<MoneyStep[]> = fc.array(
  fc.oneof(
    fc.record({ do: counted, n: fc.nat(20) }),
    fc.record({ do: shared, share: fc.constantFrom(0.1, 0.3, 0.5, 1) }),
    fc.record({ do: plain }),
  ),
  { minLength: 3, maxLength: 25 },
);

const amount = 4_000;
const log = pino({ level: 'silent' });

interface Play {
  db: Db;
  bookingId: number;
  bookingRef: string;
  staffId: number;
  stripe: StripeModel;
  undelivered: Stripe.Event[];
  delivered: Stripe.Event[];
  freeCancelHours: number;
}

/** Plays one sequence on one booking of its own, lets everything arrive, and compares who has which money. */
export async function playMoney(
  db: Db,
  room: { roomId: number; userId: number },
  steps: MoneyStep[],
): Promise<void> {
  const play = await begin(db, room, steps.length % 3 === 0 ? 100_000 : 24);
  let seen = 0;
  for (const step of steps) {
    await takeStep(play, step);
    for (const event of play.stripe.events.slice(seen))
      play.undelivered.push(event as unknown as Stripe.Event);
    seen = play.stripe.events.length;
    await expectBounds(play);
  }
  await letAllArrive(play, seen);
  await expectTruth(play);
}

/** A hold, and the payment that confirms it, of which the service hears by an event like any other. */
async function begin(
  db: Db,
  { roomId, userId }: { roomId: number; userId: number },
  freeCancelHours: number,
): Promise<Play> {
  const ref = randomUUID();
  const intentId = `pi_${randomUUID()}`;
  const [booking] = await rows<{ id: number }>(
    db,
    `with held as (
       insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
                             number_of_slots, guest_count, amount_minor, currency, hold_expires_at, workflow_id)
       select ?, ?, ?, 'UTC', tstzrange(t at time zone 'UTC', t at time zone 'UTC' + interval '1 hour'), t::date,
              t::time, t::time + interval '1 hour', 2, 1, ?, 'usd', now() + interval '1 hour', 'booking-' || ?
         from (select date_trunc('day', now() at time zone 'UTC') + interval '3 days'
                      + nextval('model_slot') * interval '2 hours' as t) slot
       returning id
     ), paid as (
       insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status)
       select gen_random_uuid(), id, 1, ?, ?, 'usd', 'requires_payment_method' from held
     )
     select id from held`,
    [ref, userId, roomId, amount, ref, intentId, amount],
  );
  const stripe = createStripeModel({ intentId, amount, currency: 'usd' });
  const succeeded = {
    id: `evt_${randomUUID()}`,
    type: 'payment_intent.succeeded',
    created: Math.floor(Date.now() / 1000),
    data: {
      object: {
        id: intentId,
        status: 'succeeded',
        amount,
        amount_received: amount,
        currency: 'usd',
        metadata: {},
      },
    },
  } as unknown as Stripe.Event;
  return {
    ...{ db, bookingRef: ref, staffId: userId, stripe, freeCancelHours },
    bookingId: booking?.id ?? 0,
    undelivered: [succeeded],
    delivered: [],
  };
}

const activitiesOf = ({ db, stripe, freeCancelHours }: Play) =>
  createActivities({ db, stripe: stripe.client, log, freeCancelHours });

async function takeStep(play: Play, step: MoneyStep): Promise<void> {
  const { stripe } = play;
  switch (step.do) {
    case 'deliver':
      return deliver(play, step.n);
    case 'repeat': {
      const again = play.delivered[step.n % Math.max(1, play.delivered.length)];
      if (again) await createEventRecorder(play.db, 0)(again);
      return;
    }
    case 'byHand':
      return stripe.refundByHand(step.share);
    case 'endRefund':
    case 'failRefund':
      return stripe.endRefund(step.n, step.do === 'endRefund');
    case 'dispute':
    case 'inquire':
      return stripe.dispute(step.share, step.do === 'inquire');
    case 'win':
    case 'lose':
      return stripe.endDispute(step.n, step.do === 'win');
    case 'slow':
    case 'fast':
      return stripe.setSlow(step.do === 'slow');
    case 'loseAnswer':
      return stripe.addTrouble('lost');
    case 'noBalance':
      return stripe.addTrouble('balance_insufficient');
    case 'second':
      return stripe.passTime();
    case 'send':
      return send(play);
    case 'cancelByGuest':
    case 'cancelByStaff':
      return cancel(play, step.do === 'cancelByStaff');
    case 'retry':
      return retry(play, step.n);
  }
}

async function deliver(play: Play, n: number): Promise<void> {
  const [event] = play.undelivered.splice(n % Math.max(1, play.undelivered.length), 1);
  if (!event) return;
  play.delivered.push(event);
  await createEventRecorder(play.db, 0)(event);
  await decide(play);
}

/** Does what the booking's workflow does after a signal. */
async function decide(play: Play): Promise<void> {
  const [paid] = await rows<{ intentId: string }>(
    play.db,
    `select stripe_payment_intent_id as "intentId" from payments
      where booking_id = ? and status = 'succeeded' and decision is null`,
    [play.bookingId],
  );
  if (!paid) return;
  const event = { bookingRef: play.bookingRef, intentId: paid.intentId, verify: false };
  await activitiesOf(play).decidePayment({ ...event, actor: 'model', workflowId: 'model' });
}

/**
 * Does what the refunds' workflows do: one attempt for each refund that is due, and the requests that a charge's event
 * causes.
 */
async function send(play: Play): Promise<void> {
  const asked = await rows<{ intentId: string }>(
    play.db,
    `delete from outbox where topic = 'payment' and payload ->> 'bookingRef' = ? and (payload ->> 'verify')::boolean
     returning payload ->> 'intentId' as "intentId"`,
    [play.bookingRef],
  );
  for (const { intentId } of asked)
    await recordMoneyMoved({ db: play.db, stripe: play.stripe.client }, intentId);
  for (const { ref, status } of await listRefunds(play.db, play.bookingId)) {
    if (status === 'pending')
      await activitiesOf(play)
        .sendRefund({ refundRef: ref })
        .catch(() => undefined);
  }
}

async function cancel(play: Play, byStaff: boolean): Promise<void> {
  const request = { bookingRef: play.bookingRef, actor: 'model', byStaff, refund: byStaff };
  await activitiesOf(play).cancelBooking(request);
  if (byStaff) await refundCancelled(play.db, { bookingRef: play.bookingRef, actorId: play.staffId });
}

async function retry(play: Play, n: number): Promise<void> {
  const refunds = await listRefunds(play.db, play.bookingId);
  const refund = refunds[n % Math.max(1, refunds.length)];
  if (!refund) return;
  await retryRefund(play.db, { refundId: refund.id, actorId: play.staffId }).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error;
  });
}

async function letAllArrive(play: Play, seen: number): Promise<void> {
  play.stripe.endTroubles();
  let next = seen;
  for (let round = 0; round < 8; round++) {
    for (const event of play.stripe.events.slice(next))
      play.undelivered.push(event as unknown as Stripe.Event);
    next = play.stripe.events.length;
    while (play.undelivered.length > 0) await deliver(play, round);
    await send(play);
  }
}

/** At every moment: no payment gives back more than came. */
async function expectBounds({ db, bookingId, stripe }: Play): Promise<void> {
  const over = await rows(
    db,
    `select 1 from payments p where booking_id = ? and p.refunding_minor <>
            (select coalesce(sum(amount_minor), 0) from refunds f
              where f.payment_id = p.id and f.status not in ('failed', 'dropped'))`,
    [bookingId],
  );
  expect(over).toEqual([]);
  expect(stripe.leftMinor()).toBeGreaterThanOrEqual(0);
}

/** In the end: Stripe's ledger, our rows and what the API shows are the same. */
async function expectTruth({ db, bookingId, stripe, freeCancelHours }: Play): Promise<void> {
  const shown = await findBooking(db, bookingId);
  const ours = await rows<{ id: string; amount: number; status: string }>(
    db,
    `select stripe_refund_id as id, amount_minor as amount, status from refunds
      where booking_id = ? and stripe_refund_id is not null order by 1`,
    [bookingId],
  );
  const theirs = stripe.refunds.map(({ id, amount: minor, status }) => ({
    id,
    amount: minor,
    status: status === 'pending' ? 'submitted' : status,
  }));
  expect(ours).toEqual(theirs.sort((a, b) => (a.id < b.id ? -1 : 1)));
  expect(shown?.refunded_minor).toBe(stripe.refundedMinor());
  expect(shown?.disputed_minor).toBe(stripe.takenMinor());
  const isBack = stripe.refundedMinor() + stripe.lostMinor() >= amount;
  expect(shown?.payment_status).toBe(isBack ? 'refunded' : 'succeeded');
  expect(await rows(db, 'select object_id from parked_facts')).toEqual([]);

  const waiting = await rows<{ status: string }>(
    db,
    `select status from refunds where booking_id = ? and (status in ('parked', 'submitted')
            or (status = 'failed' and retried_by is null))`,
    [bookingId],
  );
  const pending = await rows(
    db,
    "select last_error from refunds where booking_id = ? and status = 'pending'",
    [bookingId],
  );
  const isHeld = stripe.takenMinor() > 0;
  if (!isHeld) expect(pending).toEqual([]);
  // Cancelled in time, and nothing stands in the way: the guest has everything back.
  if (shown?.status === 'cancelled' && freeCancelHours === 24 && waiting.length === 0 && !isHeld) {
    expect(isBack).toBe(true);
  }
}
