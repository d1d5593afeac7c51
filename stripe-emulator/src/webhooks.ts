import { Agent } from 'node:http';
import { newId, nowSeconds } from './ids.ts';
import type { PendingDelivery, Tables } from './tables.ts';
import type { StripeEvent } from './types.ts';
import { isAccepted, postWebhook, signatureOf, type WebhookReply } from './webhook-request.ts';

export interface WebhookBehaviour {
  /** Extra copies of every event. */
  duplicate: number;
  /** Every event waits this long before its first attempt, evenly spread between the two. */
  delayMs: [min: number, max: number];
  /** Take waiting events in random order instead of the order of their creation. */
  reorder: boolean;
  /** Share of attempts that get lost on the way, 0 to 1; a lost attempt is repeated like a failed one. */
  dropRate: number;
  /** Share of events that are never sent, 0 to 1, as if retries had ended: only the API still tells of them. */
  loseRate: number;
  /** While true nothing is sent and everything is kept. */
  paused: boolean;
  concurrency: number;
  timeoutMs: number;
  /** Wait after the first failure; it doubles up to `retryMaxMs`. Real Stripe starts slower. */
  retryBaseMs: number;
  retryMaxMs: number;
  /** https://docs.stripe.com/webhooks#behaviors: up to three days. */
  giveUpAfterMs: number;
}

const defaultBehaviour: Readonly<WebhookBehaviour> = {
  duplicate: 0,
  delayMs: [0, 0],
  reorder: false,
  dropRate: 0,
  loseRate: 0,
  paused: false,
  concurrency: 8,
  timeoutMs: 10_000,
  retryBaseMs: 200,
  retryMaxMs: 30_000,
  giveUpAfterMs: 3 * 24 * 3600 * 1000,
};

/** One attempt to deliver, kept in memory for the control. */
export interface Delivery {
  eventId: string;
  type: string;
  attempt: number;
  atMs: number;
  tookMs: number;
  status: number | null;
  error: string | null;
}
const deliveriesKept = 10_000;

interface WebhookDeps {
  tables: Tables;
  secret: string;
  log: (line: string) => void;
}

/** Delivers events at least once, several at a time, until the endpoint answers 2xx. */
export function createWebhooks({ tables, secret, log }: WebhookDeps) {
  const agent = new Agent({ keepAlive: true });
  let url: string | undefined;
  let behaviour: WebhookBehaviour = { ...defaultBehaviour };
  let ready: PendingDelivery[] = [];
  const sleeping = new Map<string, NodeJS.Timeout>();
  let deliveries: Delivery[] = [];
  let active = 0;
  let isStopped = false;

  function enqueue(event: StripeEvent): void {
    if (Math.random() < behaviour.loseRate) return;
    const [min, max] = behaviour.delayMs;
    const added: PendingDelivery[] = [];
    for (let copy = 0; copy <= behaviour.duplicate; copy++) {
      const nowMs = Date.now();
      const nextAtMs = nowMs + min + Math.random() * (max - min);
      const delivery = { id: newId('del'), eventId: event.id, attempts: 0, firstAtMs: nowMs, nextAtMs };
      tables.deliveries.save(delivery);
      added.push(delivery);
    }
    // Nobody may hear of an event that a kill could still undo.
    tables.commit().then(
      () => added.forEach(arm),
      (error: unknown) => log(`webhook not sent, the state cannot be written: ${String(error)}`),
    );
  }

  function arm(delivery: PendingDelivery): void {
    if (isStopped) return;
    const waitMs = delivery.nextAtMs - Date.now();
    if (waitMs <= 0) {
      ready.push(delivery);
      pump();
      return;
    }
    const wake = () => {
      sleeping.delete(delivery.id);
      ready.push(delivery);
      pump();
    };
    sleeping.set(delivery.id, setTimeout(wake, waitMs));
  }

  function pump(): void {
    while (!isStopped && !behaviour.paused && url !== undefined && active < behaviour.concurrency) {
      const at = behaviour.reorder ? Math.floor(Math.random() * ready.length) : 0;
      const [delivery] = ready.splice(at, 1);
      if (!delivery) return;
      active += 1;
      void attempt(delivery, url).finally(() => {
        active -= 1;
        pump();
      });
    }
  }

  async function attempt(delivery: PendingDelivery, to: string): Promise<void> {
    const event = tables.events.get(delivery.eventId);
    if (!event) return;
    const isLost = Math.random() < behaviour.dropRate;
    const reply = isLost
      ? { error: 'dropped by the emulator' }
      : await send(event, delivery.attempts + 1, to);
    // A reset may have come in between, or the stop.
    if (isStopped || tables.deliveries.get(delivery.id) === undefined) return;
    if (isAccepted(reply)) {
      tables.deliveries.remove(delivery.id);
    } else {
      retryLater(delivery, event);
    }
    await tables.commit().catch((error: unknown) => log(`state not written: ${String(error)}`));
  }

  function retryLater(delivery: PendingDelivery, event: StripeEvent): void {
    delivery.attempts += 1;
    if (Date.now() - delivery.firstAtMs >= behaviour.giveUpAfterMs) {
      tables.deliveries.remove(delivery.id);
      log(`webhook ${event.type} ${event.id} given up after ${delivery.attempts} attempts`);
      return;
    }
    const backoffMs = Math.min(behaviour.retryBaseMs * 2 ** (delivery.attempts - 1), behaviour.retryMaxMs);
    delivery.nextAtMs = Date.now() + backoffMs * (0.8 + Math.random() * 0.4);
    tables.deliveries.save(delivery);
    arm(delivery);
  }

  async function send(
    event: StripeEvent,
    attemptNumber: number,
    to: string,
    as: { secret?: string; timestampSeconds?: number } = {},
  ): Promise<WebhookReply> {
    const payload = JSON.stringify(event, null, 2);
    const signature = signatureOf(payload, as.secret ?? secret, as.timestampSeconds ?? nowSeconds());
    const atMs = Date.now();
    const reply = await postWebhook({ url: to, payload, signature, timeoutMs: behaviour.timeoutMs, agent });
    deliveries.push({
      eventId: event.id,
      type: event.type,
      attempt: attemptNumber,
      atMs,
      tookMs: Date.now() - atMs,
      status: 'status' in reply ? reply.status : null,
      error: 'error' in reply ? reply.error : null,
    });
    if (deliveries.length > deliveriesKept * 2) deliveries = deliveries.slice(-deliveriesKept);
    return reply;
  }

  /** Every waiting delivery is due now, those that back off included. */
  function hurry(): void {
    for (const timer of sleeping.values()) clearTimeout(timer);
    const woken = tables.deliveries.list().filter((delivery) => sleeping.has(delivery.id));
    sleeping.clear();
    ready = ready.concat(woken);
    pump();
  }

  function setUrl(next: string | undefined): void {
    if (next !== undefined && new URL(next).protocol !== 'http:') {
      throw new Error('The Stripe emulator sends webhooks by http: only.');
    }
    url = next;
    hurry();
  }

  return {
    enqueue,
    hurry,
    setUrl,
    /** Takes up what an earlier process left undelivered. */
    resume: () => tables.deliveries.list().forEach(arm),
    behave(change: Partial<WebhookBehaviour>): WebhookBehaviour {
      behaviour = { ...behaviour, ...change };
      pump();
      return { ...behaviour };
    },
    deliveries: () => deliveries.slice(-deliveriesKept),
    /** Sends one event now, past the queue, pauses and losses. */
    async sendNow(
      event: StripeEvent,
      as: { secret?: string; timestampSeconds?: number; url?: string } = {},
    ): Promise<WebhookReply> {
      const to = as.url ?? url;
      if (to === undefined) throw new Error('There is no webhook endpoint: set its address first.');
      return send(event, 1, to, as);
    },
    /** Forgets everything that waits and every wish, but not the address. */
    reset(): void {
      for (const timer of sleeping.values()) clearTimeout(timer);
      sleeping.clear();
      ready = [];
      deliveries = [];
      behaviour = { ...defaultBehaviour };
    },
    stop(): void {
      isStopped = true;
      for (const timer of sleeping.values()) clearTimeout(timer);
      sleeping.clear();
      agent.destroy();
    },
  };
}

export type Webhooks = ReturnType<typeof createWebhooks>;
