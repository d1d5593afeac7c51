import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, permutationsOf, startPayments } from './payment-kit.ts';

/** A course of a PaymentIntent at Stripe, the events of it that are delivered, and the final state of the booking. */
interface Life {
  name: string;
  live(payments: Payments, intentId: string): Promise<unknown>;
  delivered: string[];
  ends: { status: string; payment_status: string };
  flags?: string[];
}

const decline = (payments: Payments, id: string) =>
  payments.control.pay(id, 'pm_card_visa_chargeDeclined').catch((error: { status: number }) => error.status);

async function processThen(payments: Payments, id: string, outcome: 'succeeded' | 'failed') {
  await payments.control.startProcessing(id);
  await payments.control.settleProcessing(id, outcome);
}

const paid = { status: 'confirmed', payment_status: 'succeeded' };

const lives: Life[] = [
  {
    name: 'declined, then paid',
    live: async (payments, id) => {
      await decline(payments, id);
      await payments.control.pay(id);
    },
    delivered: ['created', 'payment_failed', 'succeeded'],
    ends: paid,
  },
  {
    name: 'processing, then paid',
    live: (payments, id) => processThen(payments, id, 'succeeded'),
    delivered: ['created', 'processing', 'succeeded'],
    ends: paid,
  },
  {
    name: 'processing, refused, then paid',
    live: async (payments, id) => {
      await processThen(payments, id, 'failed');
      await payments.control.pay(id);
    },
    delivered: ['processing', 'payment_failed', 'succeeded'],
    ends: paid,
  },
  {
    name: 'declined, then canceled',
    live: async (payments, id) => {
      await decline(payments, id);
      await payments.stripe.paymentIntents.cancel(id);
    },
    delivered: ['created', 'payment_failed', 'canceled'],
    ends: { status: 'pending', payment_status: 'failed' },
  },
  {
    name: 'processing, then canceled',
    live: async (payments, id) => {
      await payments.control.startProcessing(id, { cancelable: true });
      await payments.stripe.paymentIntents.cancel(id);
    },
    delivered: ['created', 'processing', 'canceled'],
    ends: { status: 'pending', payment_status: 'pending' },
  },
  {
    name: 'processing, refused, then canceled',
    live: async (payments, id) => {
      await processThen(payments, id, 'failed');
      await payments.stripe.paymentIntents.cancel(id);
    },
    delivered: ['processing', 'payment_failed', 'canceled'],
    ends: { status: 'pending', payment_status: 'failed' },
  },
  {
    name: 'paid, then given back by hand',
    live: async (payments, id) => {
      await payments.control.pay(id);
      await payments.stripe.refunds.create({ payment_intent: id });
    },
    delivered: ['succeeded', 'refund.created', 'charge.refunded'],
    ends: { status: 'confirmed', payment_status: 'refunded' },
    flags: ['refunded_at_stripe'],
  },
  {
    name: 'declined, paid, then given back by hand',
    live: async (payments, id) => {
      await decline(payments, id);
      await payments.control.pay(id);
      await payments.stripe.refunds.create({ payment_intent: id });
    },
    delivered: ['payment_failed', 'succeeded', 'charge.refunded'],
    ends: { status: 'confirmed', payment_status: 'refunded' },
    flags: ['refunded_at_stripe'],
  },
];

describe('the order of events', () => {
  let payments: Payments;
  beforeAll(async () => {
    payments = await startPayments();
    await payments.control.setWebhookBehaviour({ paused: true });
  });
  afterAll(() => payments.stop());

  /** Stripe's own events of a PaymentIntent, by their short names. */
  async function eventsByName(intentId: string): Promise<Map<string, Stripe.Event>> {
    const { created } = await payments.snapshot(intentId);
    const events = await payments.eventsOf([intentId], created);
    return new Map(events.map((event) => [event.type.replace('payment_intent.', ''), event]));
  }

  async function deliver(intentId: string, order: string[]): Promise<void> {
    const events = await eventsByName(intentId);
    for (const name of order) {
      const event = events.get(name);
      if (!event) throw new Error(`${intentId} has no event ${name}: ${[...events.keys()].join(', ')}`);
      expect(await payments.control.redeliver(event.id)).toEqual({ status: 200 });
    }
  }

  const untilSettled = ({ id }: PaidFor, ends: Life['ends']) =>
    until(`booking ${id} is ${ends.status} and ${ends.payment_status}`, async () => {
      const { status, payment_status } = await payments.facts(id);
      return status === ends.status && payment_status === ends.payment_status;
    });

  for (const life of lives) {
    test.concurrent.each(permutationsOf(life.delivered).map((order) => [order.join(', '), order] as const))(
      `ST-08 ${life.name}, delivered as %s`,
      async (_, order) => {
        const held = await payments.holdToPay();
        await life.live(payments, held.intentId);
        await deliver(held.intentId, order);
        await untilSettled(held, life.ends);
        const money = await payments.ledgerOf(held.intentId);
        const ofOurs = (await payments.refundsOf(held.id)).filter(
          ({ reason }) => !reason.startsWith('stripe:'),
        );
        expect(ofOurs).toEqual([]);
        expect(await payments.flagsOn(held.intentId)).toEqual(life.flags ?? []);
        expect(money.refunds).toHaveLength(life.flags ? 1 : 0);
        if (life.ends.status !== 'pending') {
          expect(await payments.moves(held.id)).toEqual(['pending', 'confirmed']);
        }
      },
    );
  }

  test('ST-08 a booking whose PaymentIntent was canceled at Stripe is paid with another', async () => {
    const held = await payments.holdToPay();
    await decline(payments, held.intentId);
    await payments.stripe.paymentIntents.cancel(held.intentId);
    await deliver(held.intentId, ['canceled', 'payment_failed']);
    const second = await payments.openIntent(held.id);
    expect(second).not.toBe(held.intentId);
    await payments.control.pay(second);
    await deliver(second, ['succeeded', 'created']);
    await payments.untilStatus(held.id, 'confirmed');
    expect(await payments.paymentsOf(held.id)).toMatchObject([
      { attempt: 1, status: 'canceled' },
      { attempt: 2, status: 'succeeded' },
    ]);
  });

  test('ST-09 a declined payment keeps the hold, shows as failed, and the next card confirms', async () => {
    const held = await payments.holdToPay();
    await decline(payments, held.intentId);
    await deliver(held.intentId, ['payment_failed']);
    await untilSettled(held, { status: 'pending', payment_status: 'failed' });
    expect(await payments.openIntent(held.id)).toBe(held.intentId);
    await payments.control.pay(held.intentId, 'pm_card_mastercard');
    await deliver(held.intentId, ['succeeded']);
    await payments.untilStatus(held.id, 'confirmed');
    expect((await payments.show(held.id)).payment_status).toBe('succeeded');
  });

  test('ST-03 ST-08 all events of a payment, 100 times each in any order and at once, have one effect', async () => {
    const held = await payments.holdToPay();
    const sibling = await payments.holdToPay();
    await processThen(payments, held.intentId, 'failed');
    await payments.control.pay(held.intentId);
    const events = [...(await eventsByName(held.intentId)).values()];
    const flood = events.flatMap((event) => Array.from({ length: 100 }, () => event));
    flood.sort(() => Math.random() - 0.5);
    const refused: unknown[] = [];
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        for (let event = flood.pop(); event; event = flood.pop()) {
          const reply = await payments.control.redeliver(event.id);
          if (!('status' in reply) || reply.status !== 200) refused.push(reply);
        }
      }),
    );
    expect(refused).toEqual([]);
    await payments.untilStatus(held.id, 'confirmed');
    await payments.untilCarried();
    expect(await payments.moves(held.id)).toEqual(['pending', 'confirmed']);
    expect(await payments.paymentsOf(held.id)).toHaveLength(1);
    expect(await payments.ledgerOf(held.intentId)).toMatchObject({ chargedMinor: 4_000, refunds: [] });
    expect(await payments.facts(sibling.id)).toMatchObject({ status: 'pending', payment_status: 'pending' });
  });
});
