import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Slot } from './browser.ts';
import { pay, type PayingCustomer } from './cards.ts';
import type { ChaosStack } from './chaos-stack.ts';
import { createRandom, type Random } from './random.ts';
import type { Scenario } from './scenario.ts';

interface VisitDeps {
  stack: Pick<ChaosStack, 'stripe' | 'stripeUrl' | 'stripeKeys'>;
  scenario: Scenario;
  browser: Browser;
  seed: number;
  holdMs: number;
  /** The share of the visits that want a stay within a day; none unless given. */
  nearShare?: number;
}

/** The plan of a visitor of the booking page. */
const plans = [
  ...Array<'abandon'>(30).fill('abandon'),
  ...Array<'pay'>(28).fill('pay'),
  ...Array<'decline_then_pay'>(8).fill('decline_then_pay'),
  ...Array<'challenge'>(8).fill('challenge'),
  ...Array<'processing'>(2).fill('processing'),
  ...Array<'cancel'>(12).fill('cancel'),
  ...Array<'pay_then_cancel'>(12).fill('pay_then_cancel'),
] as const;

/** Visits of clients: each books, and then pays, gives up, cancels or books again, chosen at random. */
export function createVisits({ stack, scenario, browser, seed, holdMs, nearShare = 0 }: VisitDeps) {
  const open = new Set<Promise<void>>();
  let begun = 0;

  interface Guest {
    visit: number;
    random: Random;
    token: string;
  }

  async function book(guest: Guest, slot: Slot): Promise<number | undefined> {
    const key = guest.random.uuid();
    const request = { call: 'book' as const, method: 'POST', path: '/api/bookings/', ...guest, key, slot };
    // The key is on the booking too, so that a second booking of one request can be seen.
    const { answer, body } = await browser.insist(guest.random, {
      ...request,
      body: scenario.bodyOf(slot, key),
    });
    if (answer.status === 201) answer.amountMinor = Math.round(Number(body['total_amount']) * 100);
    return answer.bookingId;
  }

  async function openIntent(guest: Guest, bookingId: number): Promise<PayingCustomer | undefined> {
    const { answer, body } = await browser.insist(guest.random, {
      call: 'intent',
      method: 'POST',
      path: '/api/payment-intent/',
      ...guest,
      key: guest.random.uuid(),
      body: { booking_id: bookingId },
    });
    if (answer.status !== 201) return undefined;
    answer.amountMinor = Math.round(Number(body['amount']) * 100);
    answer.bookingId = bookingId;
    return { intentId: String(body['payment_intent_id']), clientSecret: String(body['client_secret']) };
  }

  const cancel = ({ random, ...guest }: Guest, bookingId: number) =>
    browser.insist(random, {
      call: 'cancel',
      method: 'POST',
      path: `/api/bookings/${bookingId}/cancel/`,
      ...guest,
    });

  /** A pause before paying: short, almost until the hold ends, or too long. */
  const think = (random: Random) => sleep(random.next() * holdMs * (random.chance(0.25) ? 1.3 : 0.5));

  async function challenge(random: Random, intentId: string): Promise<void> {
    await sleep(random.between(200, holdMs * 0.8));
    const outcome = random.chance(0.8) ? 'succeeded' : 'failed';
    // Refused when the hold ended meanwhile, unanswered while the emulator is restarted.
    await stack.stripe.completeChallenge(intentId, outcome).catch(() => {});
  }

  async function checkOut(guest: Guest, bookingId: number, plan: (typeof plans)[number]): Promise<void> {
    const { random } = guest;
    const customer = await openIntent(guest, bookingId);
    if (!customer) return;
    await think(random);
    switch (plan) {
      case 'pay':
      case 'pay_then_cancel':
        await pay(stack, random, customer, 'pm_card_visa');
        return;
      case 'decline_then_pay':
        await pay(stack, random, customer, 'pm_card_visa_chargeDeclinedInsufficientFunds');
        await sleep(random.between(100, 1_500));
        await pay(stack, random, customer, 'pm_card_mastercard');
        return;
      case 'challenge':
        if ((await pay(stack, random, customer, 'pm_card_threeDSecure2Required')) === 'requires_action')
          await challenge(random, customer.intentId);
        return;
      case 'processing':
        if ((await pay(stack, random, customer, 'pm_processing')) !== 'processing') return;
        await sleep(random.between(500, holdMs * 1.5));
        // Unanswered while the emulator is restarted: the end of the run decides it.
        await stack.stripe
          .settleProcessing(customer.intentId, random.chance(0.7) ? 'succeeded' : 'failed')
          .catch(() => {});
        return;
      case 'abandon':
      case 'cancel':
        return;
    }
  }

  /** A stay that begins within a day is paid or given up, never cancelled: it would be too late for the money. */
  async function stayNear(guest: Guest): Promise<void> {
    const bookingId = await book(guest, scenario.nearSlotFor(guest.random));
    if (bookingId !== undefined && guest.random.chance(0.8)) await checkOut(guest, bookingId, 'pay');
  }

  async function stay(guest: Guest, slot: Slot): Promise<void> {
    const { random } = guest;
    const bookingId = await book(guest, slot);
    if (bookingId === undefined) return;
    const plan = random.pick(plans);
    const wantsToPay = plan !== 'abandon' && plan !== 'cancel';
    if (wantsToPay || random.chance(0.5)) await checkOut(guest, bookingId, plan);
    if (plan === 'cancel') await think(random);
    if (plan === 'pay_then_cancel') await sleep(random.between(0, 3_000));
    if (plan === 'cancel' || plan === 'pay_then_cancel') await cancel(guest, bookingId);
    if (!wantsToPay && random.chance(0.4)) await stay(guest, slot);
  }

  return {
    /** Begins a visit; it goes on by itself. */
    begin(): void {
      const visit = begun++;
      const random = createRandom(seed, `visit ${visit}`);
      const guest = { visit, random, token: scenario.tokenOf(random) };
      const visiting = random.chance(nearShare) ? stayNear(guest) : stay(guest, scenario.slotFor(random));
      const going = visiting.catch((error: unknown) => {
        throw new Error(`visit ${visit} failed`, { cause: error });
      });
      const done = going.finally(() => open.delete(done));
      open.add(done);
    },
    count: () => begun,
    open: () => open.size,
    /** Waits for the visits that are under way. */
    async finish(): Promise<void> {
      await Promise.all(open);
    },
  };
}

export type Visits = ReturnType<typeof createVisits>;
