import { setTimeout as sleep } from 'node:timers/promises';
import { createDispute } from './disputes.ts';
import { invalidRequest, resourceMissing, unexpectedState } from './errors.ts';
import { buildEvent, type World } from './events.ts';
import type { Fault, Faults } from './faults.ts';
import { buildLedger, type Ledger } from './ledger.ts';
import { attemptPayment, finishChallenge, settleProcessing, startProcessing } from './payment-attempts.ts';
import { confirmPaymentIntent, findPaymentIntent, isUnpaid } from './payment-intents.ts';
import { findPaymentMethod } from './payment-methods.ts';
import { failRefund, settleRefund } from './refunds.ts';
import type { Note, PendingDelivery } from './tables.ts';
import { noCause, type Dispute, type PaymentIntent, type Refund, type StripeEvent } from './types.ts';
import type { Delivery, WebhookBehaviour, Webhooks } from './webhooks.ts';
import type { WebhookReply } from './webhook-request.ts';

/** A hand-made event. Nothing of it is recorded: the API does not know it. */
export interface HandMadeEvent {
  type: string;
  /** The object as it is in the state, by id, or any object. */
  object: string | object;
  /** Everything else of the event that shall differ: id, created, livemode, account, api_version … */
  event?: Partial<StripeEvent>;
  /** What the signature says; now unless given. */
  timestampSeconds?: number;
  /** What it is signed with; the endpoint's secret unless given. */
  secret?: string;
  url?: string;
}

/**
 * What a test may do to Stripe. In process and over HTTP (`connectStripeControl`) it is the same;
 * methods that name a PaymentIntent or a refund throw when there is none.
 */
export interface StripeControl {
  /** Where events go; null stops the deliveries. Everything that waits is due at once. */
  setWebhookUrl(url: string | null): Promise<void>;
  setWebhookBehaviour(change: Partial<WebhookBehaviour>): Promise<WebhookBehaviour>;
  /** Ends every back-off: what waits is tried now. */
  retryNow(): Promise<void>;
  /** Sends a recorded event again, at once, whatever the behaviour says. */
  redeliver(eventId: string): Promise<WebhookReply>;
  deliverEvent(made: HandMadeEvent): Promise<WebhookReply>;
  /** Records and queues a further event about an object as it is now: a second event of one fact. */
  emitEvent(type: string, objectId: string): Promise<StripeEvent>;
  /** Attempts so far, oldest first; the last 10,000. */
  deliveries(filter?: { eventId?: string; type?: string }): Promise<Delivery[]>;
  undelivered(): Promise<PendingDelivery[]>;
  /** Resolves when no delivery is left; throws after the time. */
  whenDelivered(timeoutMs?: number): Promise<void>;

  failNext(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
  /** Every API request takes this much longer, and holds its Idempotency-Key meanwhile. */
  setLatency(ms: number): Promise<void>;

  ledger(): Promise<Ledger>;
  /** Any odd state: the fields are overwritten as they are, no event is sent. */
  setPaymentIntent(id: string, patch: Partial<PaymentIntent>): Promise<PaymentIntent>;
  /** The customer pays; a challenge is passed. Throws the decline. Default `pm_card_visa`. */
  pay(id: string, paymentMethod?: string): Promise<PaymentIntent>;
  /** The next cancel of this PaymentIntent finds that it was paid 50 ms before. */
  payOnCancel(id: string): Promise<void>;
  startProcessing(id: string, options?: { cancelable?: boolean }): Promise<PaymentIntent>;
  settleProcessing(id: string, outcome: 'succeeded' | 'failed'): Promise<PaymentIntent>;
  completeChallenge(id: string, outcome: 'succeeded' | 'failed'): Promise<PaymentIntent>;
  /** The bank refuses the refund, `refund.failed`, even after it had succeeded. */
  failRefund(id: string, failureReason?: string): Promise<Refund>;
  /** A pending refund arrives, `refund.updated`. */
  settleRefund(id: string): Promise<Refund>;
  createDispute(paymentIntentId: string, reason?: string): Promise<Dispute>;
  /** Forgets all state, faults, latency and behaviour; the webhook address stays. */
  reset(): Promise<void>;
}

interface ControlDeps {
  world: World;
  webhooks: Webhooks;
  faults: Faults;
  setLatency: (ms: number) => void;
}

export function createControl({ world, webhooks, faults, setLatency }: ControlDeps): StripeControl {
  const { tables } = world;

  /** Runs at one go and answers with a copy, once the change is safe. */
  async function change<T extends object>(act: () => T): Promise<T> {
    try {
      return structuredClone(act());
    } finally {
      // A declined card throws, and its failed charge is a change too.
      await tables.commit();
    }
  }

  function noteOn(id: string, facts: Partial<Note>): void {
    findPaymentIntent(world, id);
    tables.notes.save({ ...tables.notes.get(id), ...facts, id });
  }

  return {
    async setWebhookUrl(url) {
      webhooks.setUrl(url ?? undefined);
    },
    async setWebhookBehaviour(wish) {
      return webhooks.behave(wish);
    },
    async retryNow() {
      webhooks.hurry();
    },
    async redeliver(eventId) {
      const event = tables.events.get(eventId);
      if (!event) throw resourceMissing('event', eventId, 'id');
      return webhooks.sendNow(event);
    },
    async deliverEvent({ type, object, event, ...as }) {
      const about = typeof object === 'string' ? findObject(world, object) : object;
      return webhooks.sendNow({ ...buildEvent(type, about, noCause), ...event }, as);
    },
    emitEvent: (type, objectId) => change(() => world.emit(type, findObject(world, objectId), noCause)),
    async deliveries({ eventId, type } = {}) {
      return webhooks
        .deliveries()
        .filter((each) => (!eventId || each.eventId === eventId) && (!type || each.type === type));
    },
    async undelivered() {
      return structuredClone([...tables.deliveries.list()]);
    },
    async whenDelivered(timeoutMs = 5000) {
      const deadline = Date.now() + timeoutMs;
      while (tables.deliveries.size > 0) {
        if (Date.now() > deadline) throw new Error(`${tables.deliveries.size} webhooks are not delivered.`);
        await sleep(5);
      }
    },

    async failNext(fault) {
      faults.plan(fault);
    },
    async clearFaults() {
      faults.clear();
    },
    async setLatency(ms) {
      setLatency(ms);
    },

    async ledger() {
      return buildLedger(tables);
    },
    setPaymentIntent: (id, patch) =>
      change(() => {
        const intent = Object.assign(findPaymentIntent(world, id), patch, { id });
        tables.paymentIntents.save(intent);
        return intent;
      }),
    pay: (id, paymentMethod) => change(() => payNow(world, id, paymentMethod)),
    async payOnCancel(id) {
      noteOn(id, { payOnCancel: true });
      await tables.commit();
    },
    startProcessing: (id, options) =>
      change(() => {
        const intent = findPaymentIntent(world, id);
        if (!isUnpaid(intent)) throw unexpectedState(`${id} is ${intent.status}.`, intent);
        intent.payment_method = findPaymentMethod(tables, 'pm_processing').id;
        noteOn(id, { cancelableWhileProcessing: options?.cancelable === true });
        startProcessing(world, intent, noCause);
        return intent;
      }),
    settleProcessing: (id, outcome) =>
      change(() => {
        const intent = findPaymentIntent(world, id);
        settleProcessing(world, intent, outcome === 'succeeded', noCause);
        return intent;
      }),
    completeChallenge: (id, outcome) =>
      change(() => {
        const intent = findPaymentIntent(world, id);
        finishChallenge(world, intent, outcome === 'succeeded', noCause);
        return intent;
      }),
    failRefund: (id, failureReason = 'lost_or_stolen_card') =>
      change(() => failRefund(world, findRefund(world, id), failureReason, noCause)),
    settleRefund: (id) => change(() => settleRefund(world, findRefund(world, id), noCause)),
    createDispute: (paymentIntentId, reason = 'fraudulent') =>
      change(() => {
        const { latest_charge: chargeId } = findPaymentIntent(world, paymentIntentId);
        const charge = chargeId === null ? undefined : tables.charges.get(chargeId);
        if (!charge?.captured) throw invalidRequest(`${paymentIntentId} has no paid charge to dispute.`);
        return createDispute(world, charge, reason, noCause);
      }),
    async reset() {
      webhooks.reset();
      faults.clear();
      setLatency(0);
      tables.clear();
      await tables.commit();
    },
  };
}

/** As the customer in front of the payment page, with the challenge passed if there is one. */
function payNow(world: World, id: string, paymentMethod = 'pm_card_visa'): PaymentIntent {
  const intent = confirmPaymentIntent(
    world,
    findPaymentIntent(world, id),
    { payment_method: paymentMethod },
    noCause,
  );
  if (intent.status === 'requires_action') finishChallenge(world, intent, true, noCause);
  return intent;
}

/** Before a cancel: the customer was faster, if the control asked for that. */
export async function payBeforeCancel(world: World, id: string): Promise<void> {
  const note = world.tables.notes.get(id);
  const intent = world.tables.paymentIntents.get(id);
  if (!note?.payOnCancel || !intent || !(isUnpaid(intent) || intent.status === 'processing')) return;
  attemptPayment(world, intent, findPaymentMethod(world.tables, 'pm_card_visa'), noCause);
  await world.tables.commit();
  await sleep(50);
}

function findRefund(world: World, id: string): Refund {
  const refund = world.tables.refunds.get(id);
  if (!refund) throw resourceMissing('refund', id, 'id');
  return refund;
}

function findObject(world: World, id: string): { id: string } {
  const { paymentIntents, charges, refunds, disputes } = world.tables;
  for (const table of [paymentIntents, charges, refunds, disputes]) {
    const found = table.get(id);
    if (found) return found;
  }
  throw resourceMissing('object', id, 'id');
}
