import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosStack } from './chaos-stack.ts';
import type { Random } from './random.ts';

export interface PayingCustomer {
  intentId: string;
  clientSecret: string;
}

/** What the payment page got: Stripe's status, `declined`, or `refused` (canceled meanwhile, or no answer at all). */
export type PayOutcome = 'succeeded' | 'processing' | 'requires_action' | 'declined' | 'refused';

const triesMax = 4;

/** Confirms a PaymentIntent as Stripe.js does: publishable key, client secret, a card; asks again when cut off. */
export async function pay(
  stack: Pick<ChaosStack, 'stripeUrl' | 'stripeKeys'>,
  random: Random,
  { intentId, clientSecret }: PayingCustomer,
  card: string,
): Promise<PayOutcome> {
  const url = `${stack.stripeUrl}/v1/payment_intents/${intentId}/confirm`;
  const { STRIPE_PUBLISHABLE_KEY: key } = stack.stripeKeys;
  const form = { key, client_secret: clientSecret, payment_method: card };
  for (let tries = 1; tries <= triesMax; tries++) {
    try {
      const body = new URLSearchParams(form);
      const response = await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(5_000) });
      const answer = (await response.json()) as { status?: PayOutcome };
      if (response.ok) return answer.status ?? 'refused';
      if (response.status === 402) return 'declined';
      // Paid by the try before, whose answer was lost; or canceled with the hold.
      if (response.status === 400) return 'refused';
    } catch {
      // Cut off: whether it was paid is unknown, so a page asks again.
    }
    await sleep(random.between(200, 600));
  }
  return 'refused';
}

/** The bank has the last word on payments whose customer never learnt that they were being processed. */
export async function decideProcessing({ stripe }: Pick<ChaosStack, 'stripe'>): Promise<void> {
  const { paymentIntents } = await stripe.ledger();
  for (const { id, status } of paymentIntents)
    if (status === 'processing') await stripe.settleProcessing(id, 'succeeded');
}
