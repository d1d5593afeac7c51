import { createHmac, randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { declinesMax } from '../../domain/limits.ts';
import { bookingFloor, eventFloor } from '../floor/statements.ts';
import type { smallest, timer } from '../floor/workflows.ts';
import { openHttpLane, requestText } from './http-lane.ts';
import { placeOf, type SeededPayment, type Target, todayMs } from './job.ts';

export interface Reply {
  status: number;
  bytes: number;
}

/** Sends one request at a time: a connection, or a few that belong together. */
export interface Lane {
  open(): Promise<void>;
  send(number: number): Promise<Reply>;
  close(): void | Promise<void>;
}

export interface OpenTarget {
  /** The number of requests, if it is limited. */
  count: number;
  newLane(): Lane;
  close(): Promise<void>;
}

const turn = <T>(list: readonly T[], number: number): T => list[number % list.length] as T;
const endless = Number.MAX_SAFE_INTEGER;

export async function openTarget(target: Target): Promise<OpenTarget> {
  switch (target.kind) {
    case 'sql':
    case 'sql-book':
    case 'sql-event':
    case 'sql-record':
      return openSql(target.url, statementOf(target));
    case 'smallest-workflow':
    case 'timer-workflow':
      return openWorkflows(target);
    case 'life':
      return { count: endless, newLane: () => lifeLane(target), close: async () => {} };
    default:
      return openHttp(target);
  }
}

type HttpTarget = Extract<Target, { kind: 'get' | 'book' | 'stampede' | 'payment-intent' | 'webhook' }>;

function openHttp(target: HttpTarget): OpenTarget {
  const textOf = requestsOf(target);
  const newLane = () => {
    const lane = openHttpLane(target.port);
    return {
      open: () => lane.open(),
      close: () => lane.close(),
      async send(number: number): Promise<Reply> {
        const { status, body } = await lane.send(textOf(number));
        return { status, bytes: body.length };
      },
    };
  };
  return { count: countOf(target), newLane, close: async () => {} };
}

function countOf(target: HttpTarget): number {
  if (target.kind === 'payment-intent') return target.bookings.length;
  if (target.kind === 'webhook') return target.payments.length;
  return endless;
}

function requestsOf(target: HttpTarget): (number: number) => string {
  switch (target.kind) {
    case 'get': {
      const texts = target.requests.map(({ path, token }) => requestText('GET', path, { token }));
      return (number) => turn(texts, number);
    }
    case 'book':
      return (number) => bookingText(turn(target.tokens, number), target.firstSlot + number);
    case 'stampede':
      return (number) => bookingText(turn(target.tokens, number), target.slot);
    case 'payment-intent':
      return (number) => intentText(turn(target.bookings, number));
    case 'webhook':
      return (number) => webhookText(target.secret, turn(target.payments, number));
  }
}

const today = todayMs();

function bookingText(token: string, slot: number): string {
  const { roomId, date, start, end } = placeOf(slot, today);
  const body = `{"room_id":${roomId},"booking_date":"${date}","start_time":"${start}","end_time":"${end}","guest_count":2}`;
  return requestText('POST', '/api/bookings/', { token, body });
}

function intentText({ id, token }: { id: number; token: string }): string {
  return requestText('POST', '/api/payment-intent/', { token, body: `{"booking_id":${id}}` });
}

/** As Stripe sends it (https://docs.stripe.com/webhooks#verify-manually), with a PaymentIntent of the usual size. */
function webhookText(secret: string, payment: SeededPayment): string {
  const seconds = Math.floor(Date.now() / 1000);
  const body = JSON.stringify({
    id: `evt_${randomUUID()}`,
    object: 'event',
    api_version: '2026-10-28.endive',
    created: seconds,
    livemode: false,
    pending_webhooks: 1,
    type: 'payment_intent.succeeded',
    request: { id: null, idempotency_key: null },
    data: {
      object: {
        id: payment.intentId,
        object: 'payment_intent',
        amount: payment.amountMinor,
        amount_received: payment.amountMinor,
        currency: 'usd',
        status: 'succeeded',
        capture_method: 'automatic',
        confirmation_method: 'automatic',
        created: seconds,
        latest_charge: 'ch_bench',
        livemode: false,
        metadata: {
          payment_ref: payment.paymentRef,
          booking_ref: payment.bookingRef,
          booking_id: String(payment.bookingId),
        },
        payment_method: 'pm_bench',
        payment_method_types: ['card'],
        description: 'x'.repeat(600),
      },
    },
  });
  const signature = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  const headers = `Stripe-Signature: t=${seconds},v1=${signature}\r\n`;
  return requestText('POST', '/api/stripe-webhook/', { body, headers });
}

/** A whole booking up to its payment; each step waits for the one before, as a customer's browser does. */
function lifeLane(target: Extract<Target, { kind: 'life' }>): Lane {
  const api = openHttpLane(target.port);
  const stripe = openHttpLane(target.stripe.port);
  return {
    async open() {
      await Promise.all([api.open(), stripe.open()]);
    },
    async send(number) {
      const token = turn(target.tokens, number);
      const booked = await api.send(bookingText(token, target.firstSlot + number));
      if (booked.status !== 201) return { status: booked.status, bytes: booked.body.length };
      const { id } = JSON.parse(booked.body.toString()) as { id: number };
      const opened = await api.send(intentText({ id, token }));
      if (opened.status !== 201) return { status: opened.status, bytes: opened.body.length };
      const { payment_intent_id: intentId } = JSON.parse(opened.body.toString()) as {
        payment_intent_id: string;
      };
      const paid = await stripe.send(
        requestText('POST', '/_emulator/pay', { token: target.stripe.key, body: JSON.stringify([intentId]) }),
      );
      return { status: paid.status, bytes: booked.body.length + opened.body.length };
    },
    close() {
      api.close();
      stripe.close();
    },
  };
}

interface Statement {
  name: string;
  text: string;
  valuesOf: (number: number) => unknown[];
  /** How often it can be run; absent: without limit. */
  count?: number;
}

function statementOf(
  target: Extract<Target, { kind: 'sql' | 'sql-book' | 'sql-event' | 'sql-record' }>,
): Statement {
  switch (target.kind) {
    case 'sql':
      return { name: 'select', text: target.text, valuesOf: (number) => turn(target.values, number) };
    case 'sql-book':
      return {
        name: 'book',
        text: bookingFloor,
        valuesOf(number) {
          const { roomId, startsAt, endsAt, date, start, end } = placeOf(target.firstSlot + number, today);
          return [roomId, 1 + (number % target.users), startsAt, endsAt, date, start, end];
        },
      };
    case 'sql-event':
      return {
        name: 'event',
        text: eventFloor,
        valuesOf: (number) => [`${target.prefix}-${number}`, 'payment_intent.succeeded', `pi_${number}`],
      };
    case 'sql-record':
      return {
        name: 'record',
        count: target.payments.length,
        text: 'select * from record_payment_events($1, $2, $3)',
        valuesOf(number) {
          const { intentId, amountMinor, paymentRef, bookingRef } = turn(target.payments, number);
          const event = {
            ...{
              eventId: `evt_${intentId}`,
              type: 'payment_intent.succeeded',
              intentId,
              status: 'succeeded',
            },
            ...{ amountMinor, receivedMinor: amountMinor, currency: 'usd', paymentRef, bookingRef },
            ...{ chargeId: `ch_${intentId}`, eventAt: new Date().toISOString() },
          };
          return [JSON.stringify([event]), 86_400_000, declinesMax];
        },
      };
  }
}

function openSql(url: string, { name, text, valuesOf, count = endless }: Statement): OpenTarget {
  const newLane = () => {
    const client = new pg.Client({ connectionString: url });
    return {
      async open() {
        await client.connect();
      },
      async send(number: number): Promise<Reply> {
        await client.query({ name, text, values: valuesOf(number) });
        return { status: 200, bytes: 0 };
      },
      close: () => client.end(),
    };
  };
  return { count, newLane, close: async () => {} };
}

async function openWorkflows(
  target: Extract<Target, { kind: 'smallest-workflow' | 'timer-workflow' }>,
): Promise<OpenTarget> {
  const connection = await Connection.connect({ address: target.address });
  const { workflow } = new Client({ connection });
  const { taskQueue, prefix } = target;
  async function send(number: number): Promise<Reply> {
    const workflowId = `${prefix}-${number}`;
    if (target.kind === 'timer-workflow') {
      const args: [number] = [Date.now() + target.waitMs];
      await workflow.start<typeof timer>('timer', { workflowId, taskQueue, args });
    } else {
      const handle = await workflow.start<typeof smallest>('smallest', { workflowId, taskQueue });
      await handle.signal('go');
    }
    return { status: 200, bytes: 0 };
  }
  const newLane = () => ({ open: async () => {}, send, close() {} });
  return { count: endless, newLane, close: () => connection.close() };
}
