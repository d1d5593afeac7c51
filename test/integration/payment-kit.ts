import { Client, Connection } from '@temporalio/client';
import type pg from 'pg';
import type Stripe from 'stripe';
import { asOwner } from '../factories.ts';
import { connectDatabase, type Db, rows } from '../../db/knex.ts';
import { type Answer, dayAhead, startSystem, type SystemOptions, until } from '../setup/system.ts';

/** A booking as its tests name it. */
export interface Held {
  id: number;
  ref: string;
  roomId: number;
  /** Unix milliseconds. */
  expiresAtMs: number;
}

export interface PaidFor extends Held {
  intentId: string;
}

interface BookingFacts {
  status: string;
  payment_status: string;
  workflow_id: string;
  confirmed_payment_id: number | null;
}

/** What every booking of these tests costs: two slots of 20.00 usd. */
export const priceMinor = 4_000;

/** A whole service with one guest, and the short ways to hold, pay and look that the tests of payments share. */
export async function startPayments(options: SystemOptions = {}) {
  const system = await startSystem(options);
  const { call } = system;
  // The tests look through connections of their own, so that they do not take the service's.
  const db = connectDatabase(system.config.database.url, {
    poolMax: 4,
    acquireMs: 20_000,
    applicationName: 'test',
  });
  const { control } = system.stripe;
  const { stripe } = system.server.deps;
  // A busy machine may take more than the second that the service gives a new connection: they are made here.
  await Promise.all([connectAll(db, 4), connectAll(system.server.deps.db, system.config.database.poolMax)]);
  const guest = await system.newUser();

  function askForHold(roomId: number, token = guest.token) {
    const body = {
      room_id: roomId,
      booking_date: dayAhead(7),
      start_time: '09:00',
      end_time: '10:00',
      guest_count: 2,
    };
    return call('POST', '/api/bookings/', { token, body });
  }

  /** The pool of the service may be busy for longer than it waits. */
  const newRoom = () => until('a room', () => system.newRoom().catch(() => undefined), 30_000);

  async function hold(room?: number): Promise<Held> {
    const roomId = room ?? (await newRoom());
    const { status, body } = await askForHold(roomId);
    return heldOf(status, body, roomId);
  }

  async function heldOf(status: number, body: Answer['body'], roomId: number): Promise<Held> {
    if (status !== 201) throw new Error(`the hold was refused: ${status} ${body.code}`);
    const [row] = await rows<{ ref: string }>(db, 'select ref from bookings where id = ?', [body.id]);
    return { id: body.id, ref: row?.ref ?? '', roomId, expiresAtMs: Date.parse(body.hold_expires_at) };
  }

  const askForIntent = (bookingId: number) =>
    call('POST', '/api/payment-intent/', { token: guest.token, body: { booking_id: bookingId } });

  async function openIntent(bookingId: number): Promise<string> {
    const { status, body } = await askForIntent(bookingId);
    if (status !== 201) throw new Error(`no PaymentIntent: ${status} ${body.code}`);
    return body.payment_intent_id;
  }

  /** A busy machine may need the whole of a short hold to open its PaymentIntent: then another hold is taken. */
  const holdToPay = (room?: number): Promise<PaidFor> =>
    until(
      'a hold with a PaymentIntent',
      async () => {
        const roomId = room ?? (await newRoom());
        const { status, body } = await askForHold(roomId);
        if (status === 409 || status === 503) return undefined;
        const held = await heldOf(status, body, roomId);
        const asked = await askForIntent(held.id);
        if (asked.status === 409 || asked.status === 503) return undefined;
        if (asked.status !== 201) throw new Error(`no PaymentIntent: ${asked.status} ${asked.body.code}`);
        return { ...held, intentId: asked.body.payment_intent_id as string };
      },
      30_000,
    );

  async function facts(bookingId: number): Promise<BookingFacts> {
    const [row] = await rows<BookingFacts>(
      db,
      'select status, payment_status, workflow_id, confirmed_payment_id from bookings where id = ?',
      [bookingId],
    );
    if (!row) throw new Error(`no booking ${bookingId}`);
    return row;
  }

  const untilStatus = (bookingId: number, status: string, timeoutMs = 40_000) =>
    until(
      `booking ${bookingId} is ${status}`,
      async () => (await facts(bookingId)).status === status,
      timeoutMs,
    );

  const connection = Connection.lazy({ address: system.config.temporal.address });
  const temporal = new Client({ connection, namespace: system.config.temporal.namespace });

  async function ledgerOf(intentId: string) {
    const { paymentIntents } = await control.ledger();
    const found = paymentIntents.find((intent) => intent.id === intentId);
    if (!found) throw new Error(`Stripe has no ${intentId}`);
    return found;
  }

  return {
    system,
    stop: async () => {
      await connection.close();
      await db.destroy();
      await system.stop();
    },
    db,
    temporal,
    asOwner: <T>(work: (owner: pg.Client) => Promise<T>) => asOwner(system, work),
    call,
    control,
    stripe,
    guest,
    askForHold,
    hold,
    holdToPay,
    askForIntent,
    openIntent,
    facts,
    untilStatus,
    ledgerOf,

    async holdAndPay(): Promise<PaidFor> {
      const paid = await holdToPay();
      await control.pay(paid.intentId);
      await untilStatus(paid.id, 'confirmed');
      return paid;
    },
    show: async (bookingId: number) =>
      (await call('GET', `/api/bookings/${bookingId}/`, { token: guest.token })).body,
    /** Cancels as a client does: where there was no answer in time (503) it asks again, which is safe. */
    cancel: (bookingId: number, token = guest.token) =>
      until(`an answer to the cancellation of ${bookingId}`, async () => {
        const answer = await call('POST', `/api/bookings/${bookingId}/cancel/`, { token });
        return answer.status !== 503 && answer;
      }),

    /** Where the booking has gone, in order, from the audit. */
    async moves(bookingId: number): Promise<string[]> {
      const found = await rows<{ to_status: string }>(
        db,
        'select to_status from booking_events where booking_id = ? order by id',
        [bookingId],
      );
      return found.map((event) => event.to_status);
    },
    async flagsOn(subject: string): Promise<string[]> {
      const found = await rows<{ kind: string }>(
        db,
        'select kind from flags where subject = ? order by kind',
        [subject],
      );
      return found.map((flag) => flag.kind);
    },
    /** The refunds of a booking, whoever made them, without those that turned out not to be needed. */
    refundsOf: (bookingId: number) =>
      rows<{
        id: number;
        ref: string;
        reason: string;
        status: string;
        amount_minor: number;
        last_error: string | null;
      }>(
        db,
        `select f.id, f.ref, f.reason, f.status, f.amount_minor, f.last_error
           from refunds f join payments p on p.id = f.payment_id
          where p.booking_id = ? and f.status <> 'dropped' order by f.id`,
        [bookingId],
      ),
    paymentsOf: (bookingId: number) =>
      rows<{ ref: string; status: string; attempt: number; intent_id: string | null }>(
        db,
        `select ref, status, attempt, stripe_payment_intent_id as intent_id
           from payments where booking_id = ? order by id`,
        [bookingId],
      ),
    /** Stripe's PaymentIntents that name the booking. */
    async intentsOf(bookingRef: string) {
      const { paymentIntents } = await control.ledger();
      return paymentIntents.filter((intent) => intent.metadata['booking_ref'] === bookingRef);
    },
    /** A PaymentIntent that names a booking but was not asked for through the service. */
    strangeIntent: (held: Held, amount = priceMinor) =>
      stripe.paymentIntents.create({
        amount,
        currency: 'usd',
        metadata: { booking_ref: held.ref, booking_id: String(held.id) },
      }),
    /** A PaymentIntent as Stripe shows it now, for events that are made by hand. */
    snapshot: (intentId: string) => control.setPaymentIntent(intentId, {}),
    /**
     * Everything that was recorded has been carried to Temporal; of one booking, beside tests whose starts wait for
     * seconds while the API is busy.
     */
    untilCarried: (bookingRef?: string) =>
      until(`the outbox holds nothing of ${bookingRef ?? 'anybody'}`, async () => {
        const waiting = await rows(
          db,
          `select 1 from outbox where dead_at is null and payload ->> 'bookingRef' = coalesce(?, payload ->> 'bookingRef')`,
          [bookingRef ?? null],
        );
        return waiting.length === 0;
      }),
    /** Stripe's own record of what has happened to an object, oldest first. */
    async eventsOf(objectIds: string[], sinceSeconds = 0): Promise<Stripe.Event[]> {
      const found: Stripe.Event[] = [];
      for await (const event of stripe.events.list({ limit: 100, created: { gte: sinceSeconds } })) {
        const object = event.data.object as { id?: string; payment_intent?: unknown };
        if (objectIds.includes(object.id ?? '') || objectIds.includes(object.payment_intent as string)) {
          found.push(event);
        }
      }
      return found.reverse();
    },
  };
}

export type Payments = Awaited<ReturnType<typeof startPayments>>;

async function connectAll(db: Db, connections: number): Promise<void> {
  const occupy = () => rows(db, 'select pg_sleep(0.1)').catch(() => undefined);
  await Promise.all(Array.from({ length: connections }, () => until('a connection', occupy, 30_000)));
}

/** Every order of the items. */
export function permutationsOf<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((first, at) =>
    permutationsOf(items.filter((_, index) => index !== at)).map((rest) => [first, ...rest]),
  );
}
