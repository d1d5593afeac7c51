import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Slot } from './browser.ts';
import { pay } from './cards.ts';
import type { ChaosStack } from './chaos-stack.ts';
import { createRandom } from './random.ts';
import type { Scenario } from './scenario.ts';

interface PhotoFinish {
  stack: ChaosStack;
  scenario: Scenario;
  browser: Browser;
  seed: number;
  trials: number;
}

/** The payment succeeds so long before or after the deadline, at most. */
const aroundMs = 600;
/** Trials begin this often, so that the finishes do not come all at once. */
const everyMs = 150;
/** The rival asks this often, from before the deadline until the race is over. */
const rivalEveryMs = 120;
const rivalForMs = 6_000;
/** How late the payment event comes at most; now and then Stripe does not take a cancellation. */
const webhookDelayMs = 1_500;

/**
 * Payments that succeed within 600 ms of the deadline, while a rival takes the slot as soon as it is free. Webhooks
 * come late, twice and in any order; the invariants are checked afterwards as after any run.
 * @returns what became of them, as text
 */
export async function runPhotoFinish({
  stack,
  scenario,
  browser,
  seed,
  trials,
}: PhotoFinish): Promise<string> {
  const ends: Record<string, number> = {};
  const races: Promise<void>[] = [];
  await stack.stripe.setWebhookBehaviour({ delayMs: [0, webhookDelayMs], duplicate: 1, reorder: true });
  await stack.stripe.failNext({
    kind: '503',
    count: trials * 10,
    probability: 0.25,
    match: { path: '/cancel$' },
  });
  for (let trial = 0; trial < trials; trial++) {
    races.push(race(trial));
    await sleep(everyMs);
  }
  await Promise.all(races);
  await stack.stripe.clearFaults();
  const told = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
  return `photo finish, ${trials} trials: ${told.sort().join(', ')}`;

  async function race(trial: number): Promise<void> {
    const random = createRandom(seed, `race ${trial}`);
    const guest = { visit: trial, token: scenario.tokenOf(random) };
    const slot = { ...scenario.slotFor(random), start: 0, end: 30 };
    slot.start = (trial % 48) * 30;
    slot.end = slot.start + 30;
    slot.date = new Date(Date.now() + (5 + Math.floor(trial / 48)) * 86_400_000).toISOString().slice(0, 10);
    const key = random.uuid();
    const { body: booking } = await browser.insist(random, {
      call: 'book',
      method: 'POST',
      path: '/api/bookings/',
      ...guest,
      key,
      slot,
      body: scenario.bodyOf(slot, key),
    });
    const { body: intent } = await browser.insist(random, {
      call: 'intent',
      method: 'POST',
      path: '/api/payment-intent/',
      ...guest,
      body: { booking_id: booking['id'] },
    });
    const deadline = Date.parse(String(booking['hold_expires_at']));
    const payAt = deadline + random.between(-aroundMs, aroundMs);
    const customer = {
      intentId: String(intent['payment_intent_id']),
      clientSecret: String(intent['client_secret']),
    };
    const payment = sleep(payAt - Date.now()).then(() => pay(stack, random, customer, 'pm_card_visa'));
    const rival = compete(trial, slot, deadline);
    const end = `payment ${await payment}, rival ${(await rival) ? 'has the slot' : 'refused'}`;
    ends[end] = (ends[end] ?? 0) + 1;
  }

  async function compete(trial: number, slot: Slot, deadline: number): Promise<boolean> {
    const random = createRandom(seed, `rival ${trial}`);
    const token = scenario.tokenOf(random);
    await sleep(deadline - aroundMs - Date.now());
    while (Date.now() < deadline + rivalForMs) {
      const key = random.uuid();
      const { answer } = await browser.once(random, {
        call: 'book',
        method: 'POST',
        path: '/api/bookings/',
        visit: trial,
        token,
        key,
        slot,
        body: scenario.bodyOf(slot, key),
      });
      if (answer.status === 201) return true;
      await sleep(rivalEveryMs);
    }
    return false;
  }
}
