import { emulatorKeys } from 'stripe-emulator';
import type { LedgerEntry } from 'stripe-emulator';
import type { ChaosStack } from './chaos-stack.ts';
import type { Random } from './random.ts';

const shares = [0.3, 0.5, 1] as const;
const openDispute = /response|review/;

/**
 * Movements of money outside this service: banks return refunds that had arrived, people refund in Stripe's dashboard,
 * customers dispute payments and the banks decide, staff resend failed refunds.
 */
export function createBank(stack: ChaosStack, staffToken: () => string) {
  const { stripe } = stack;

  async function strike(random: Random): Promise<string> {
    const { paymentIntents } = await stripe.ledger();
    const paid = paymentIntents.filter(({ status }) => status === 'succeeded');
    switch (
      random.pick(['fail', 'fail', 'by hand', 'by hand', 'dispute', 'dispute', 'close', 'retry'] as const)
    ) {
      case 'fail':
        return failRefund(random, paid);
      case 'by hand':
        return refundByHand(random, paid);
      case 'dispute':
        return dispute(random, paid);
      case 'close':
        return closeOne(random, paid);
      case 'retry':
        return retryRefund(random);
    }
  }

  async function failRefund(random: Random, paid: LedgerEntry[]): Promise<string> {
    const arrived = paid.flatMap(({ refunds }) => refunds.filter(({ status }) => status === 'succeeded'));
    if (arrived.length === 0) return 'no refund to fail';
    const { id } = random.pick(arrived);
    await stripe.failRefund(id);
    return `refund failed ${id}`;
  }

  async function refundByHand(random: Random, paid: LedgerEntry[]): Promise<string> {
    const candidates = paid.filter((intent) => leftOf(intent) > 0);
    if (candidates.length === 0) return 'no payment to refund';
    const intent = random.pick(candidates);
    const amount = shareOf(random, intent);
    const response = await fetch(`${stack.stripeUrl}/v1/refunds`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${emulatorKeys.STRIPE_SECRET_KEY}` },
      body: new URLSearchParams({ payment_intent: intent.id, amount: String(amount) }),
      signal: AbortSignal.timeout(5_000),
    });
    return `refund by hand ${intent.id} ${amount}: ${response.status}`;
  }

  async function dispute(random: Random, paid: LedgerEntry[]): Promise<string> {
    const candidates = paid.filter((intent) => leftOf(intent) > 0 && !intent.disputed);
    if (candidates.length === 0) return 'no payment to dispute';
    const intent = random.pick(candidates);
    const options = { amount: shareOf(random, intent), isInquiry: random.chance(0.2) };
    const { id } = await stripe.createDispute(intent.id, options);
    return `dispute ${id} of ${intent.id}, ${options.amount}`;
  }

  async function closeOne(random: Random, paid: LedgerEntry[]): Promise<string> {
    const open = openDisputesOf(paid);
    return open.length === 0 ? 'no dispute to close' : close(random, random.pick(open));
  }

  async function close(random: Random, { id, status }: LedgerEntry['disputes'][number]): Promise<string> {
    const end = status.startsWith('warning') ? 'warning_closed' : random.pick(['won', 'lost'] as const);
    await stripe.closeDispute(id, end);
    return `dispute ${id} ${end}`;
  }

  async function retryRefund(random: Random): Promise<string> {
    const failed = await stack.query<{ id: number }>(
      `select id from refunds where status in ('failed', 'refused') and retried_by is null order by id`,
    );
    if (failed.length === 0) return 'no refund to retry';
    const { id } = random.pick(failed);
    const response = await fetch(`${random.pick(stack.apiUrls)}/api/staff/refunds/${id}/retry/`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${staffToken()}` },
      signal: AbortSignal.timeout(8_000),
    });
    return `refund ${id} retried: ${response.status}`;
  }

  return {
    /** Makes one of these movements, if there is a payment for it. @returns a description of it */
    strike,
    /** The banks decide every dispute that is still open. */
    async closeAll(random: Random): Promise<void> {
      const { paymentIntents } = await stripe.ledger();
      for (const each of openDisputesOf(paymentIntents)) await close(random, each);
    },
  };
}

export type Bank = ReturnType<typeof createBank>;

const leftOf = ({ chargedMinor, refundedMinor }: LedgerEntry) => chargedMinor - refundedMinor;

const shareOf = (random: Random, intent: LedgerEntry) =>
  Math.max(1, Math.floor(leftOf(intent) * random.pick(shares)));

const openDisputesOf = (intents: readonly LedgerEntry[]) =>
  intents.flatMap(({ disputes }) => disputes.filter(({ status }) => openDispute.test(status)));
