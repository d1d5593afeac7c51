import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { type Answer, createBrowser } from '../chaos/browser.ts';
import { pay } from '../chaos/cards.ts';
import { createRandom } from '../chaos/random.ts';
import type { Scenario } from '../chaos/scenario.ts';
import { type Readiness, watchReadiness } from './probes.ts';
import type { Stack } from './stack.ts';

const confirmMsMax = 30_000;
const returnMsMax = 180_000;
const askEveryMs = 100;

export interface Outage {
  /** Answers of `/readyz` of both APIs while Temporal was away. */
  readiness: Readiness[];
  /** For each API: from when Temporal served again until it carried out a cancellation, in milliseconds. */
  cancellationsBackMs: number[];
  /** What the cancellations of this stage, and the bookings for them, were answered. */
  answers: Answer[];
}

interface OutageOptions {
  stack: Stack;
  scenario: Scenario;
  seed: number;
  outageMs: number;
}

/**
 * Stops Temporal for a time, while the visits go on and `/readyz` is polled, and measures at each API how long after its
 * return a guest can cancel again. A guest's page asks until it has an answer, so this asks from before the return on.
 */
export async function takeTemporalAway({ stack, scenario, seed, outageMs }: OutageOptions): Promise<Outage> {
  const guests = await Promise.all(
    stack.apiUrls.map((apiUrl, nth) => bookToCancel({ stack, scenario, seed, apiUrl, nth })),
  );
  await stack.cluster.stop();
  const finishWatch = watchReadiness(stack.apiUrls);
  await sleep(outageMs);
  const readiness = await finishWatch();
  const cancelled = guests.map(({ untilCancelled }) => untilCancelled());
  const served = untilServed(stack);
  await stack.cluster.start();
  const [servedAt, ...cancelledAt] = await Promise.all([served, ...cancelled]);
  return {
    readiness,
    cancellationsBackMs: cancelledAt.map((at) => Math.max(0, at - servedAt)),
    answers: guests.flatMap(({ answers }) => answers),
  };
}

/** Makes a confirmed booking at one API. @returns how to cancel it there */
async function bookToCancel(options: {
  stack: Stack;
  scenario: Scenario;
  seed: number;
  apiUrl: string;
  nth: number;
}) {
  const { stack, scenario, apiUrl, nth } = options;
  const random = createRandom(options.seed, `outage ${nth}`);
  const browser = createBrowser([apiUrl]);
  const guest = { visit: -1 - nth, token: scenario.tokenOf(random) };
  const slot = scenario.reservedSlot(nth);
  const key = random.uuid();
  const booked = await browser.insist(random, {
    ...{ call: 'book', method: 'POST', path: '/api/bookings/', ...guest, key, slot },
    body: scenario.bodyOf(slot, key),
  });
  const id = booked.answer.bookingId;
  if (id === undefined)
    throw new Error(`no booking to cancel: ${booked.answer.status} ${booked.answer.code}`);
  const { body } = await browser.insist(random, {
    ...{ call: 'intent', method: 'POST', path: '/api/payment-intent/', ...guest, key: random.uuid() },
    body: { booking_id: id },
  });
  const customer = {
    intentId: String(body['payment_intent_id']),
    clientSecret: String(body['client_secret']),
  };
  await pay(stack, random, customer, 'pm_card_visa');
  const show = { call: 'show' as const, method: 'GET', path: `/api/bookings/${id}/`, ...guest };
  await until(
    `booking ${id} to be confirmed`,
    async () => (await browser.once(random, show)).body['status'] === 'confirmed',
    confirmMsMax,
  );
  const cancel = { ...show, call: 'cancel' as const, method: 'POST', path: `/api/bookings/${id}/cancel/` };
  return {
    answers: browser.answers,
    untilCancelled: () =>
      until(
        `booking ${id} to be cancelled`,
        async () => (await browser.once(random, cancel)).answer.status === 200,
        returnMsMax,
      ),
  };
}

/** When a client that has just come is served what every request needs: by the frontend and by the task queues. */
function untilServed({ temporal }: Stack): Promise<number> {
  const { address, namespace, taskQueue } = temporal;
  return until(
    'Temporal to be back',
    async () => {
      const connection = await Connection.connect({ address, connectTimeout: 1_000 }).catch(() => undefined);
      if (!connection) return false;
      try {
        await connection.withDeadline(Date.now() + 1_000, () =>
          connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
        );
        return true;
      } catch {
        return false;
      } finally {
        await connection.close();
      }
    },
    returnMsMax,
  );
}

/** @returns when it was so, Unix milliseconds */
async function until(what: string, isSo: () => Promise<boolean>, msMax: number): Promise<number> {
  for (const end = Date.now() + msMax; Date.now() < end; await sleep(askEveryMs)) {
    if (await isSo()) return Date.now();
  }
  throw new Error(`${what}: not within ${msMax / 1_000} s`);
}
