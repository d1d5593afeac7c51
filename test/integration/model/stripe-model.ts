import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';

interface ModelRefund {
  id: string;
  amount: number;
  status: 'pending' | 'succeeded' | 'failed';
  metadata: Record<string, string>;
}

interface ModelDispute {
  id: string;
  amount: number;
  status: 'needs_response' | 'won' | 'lost' | 'warning_needs_response' | 'warning_closed';
}

export interface ModelEvent {
  id: string;
  type: string;
  created: number;
  data: { object: Record<string, unknown> };
}

/**
 * One charge at Stripe, in memory, with Stripe's own rules: no more is refunded than was paid, nothing while a bank
 * holds the money, the same answer for the same key. Its changes produce events, which the test delivers in any order.
 */
export function createStripeModel(charge: { intentId: string; amount: number; currency: string }) {
  const refunds: ModelRefund[] = [];
  const disputes: ModelDispute[] = [];
  const events: ModelEvent[] = [];
  const answers = new Map<
    string,
    { body: string; refund?: ModelRefund; error?: Stripe.errors.StripeError }
  >();
  let clock = 1_800_000_000;
  /** What happens to the next answers: it is lost on its way, or Stripe refuses for a while. */
  const troubles: ('lost' | 'balance_insufficient')[] = [];
  /** A refund that our service makes may take its time. */
  let isSlow = false;

  const objectOf = (kind: 'refund' | 'dispute', it: ModelRefund | ModelDispute) => ({
    ...it,
    object: kind,
    ...{ payment_intent: charge.intentId, charge: `ch_${charge.intentId}`, currency: charge.currency },
    balance_transactions:
      kind === 'refund' || it.status.startsWith('warning')
        ? []
        : [{ amount: -it.amount }, ...(it.status === 'won' ? [{ amount: it.amount }] : [])],
  });

  function emit(type: string, object: Record<string, unknown>): void {
    events.push({
      id: `evt_${randomUUID()}`,
      type,
      created: clock,
      data: { object: structuredClone(object) },
    });
  }

  const standing = () => refunds.filter(({ status }) => status !== 'failed');
  const sum = (rows: readonly { amount: number }[]) => rows.reduce((total, { amount }) => total + amount, 0);
  const leftMinor = () => charge.amount - sum(standing());
  const isHeld = () => disputes.some(({ status }) => status === 'needs_response' || status === 'lost');

  function refusal(code: string | undefined, param?: string): Stripe.errors.StripeError {
    const raw = {
      type: 'invalid_request_error' as const,
      message: `refused: ${code ?? param}`,
      statusCode: 400,
    };
    return new Stripe.errors.StripeInvalidRequestError({
      ...raw,
      ...(code && { code }),
      ...(param && { param }),
    });
  }

  function refund(amount: number, metadata: Record<string, string> = {}): ModelRefund {
    if (leftMinor() === 0) throw refusal('charge_already_refunded');
    if (isHeld()) throw refusal('charge_disputed');
    if (amount > leftMinor()) throw refusal(undefined, 'amount');
    const made: ModelRefund = {
      id: `re_${randomUUID()}`,
      amount,
      status: isSlow ? 'pending' : 'succeeded',
      metadata,
    };
    refunds.push(made);
    emit('refund.created', objectOf('refund', made));
    emit('charge.refunded', {
      id: `ch_${charge.intentId}`,
      payment_intent: charge.intentId,
      amount_refunded: sum(standing()),
    });
    return made;
  }

  function answerOnce(key: string, body: string, make: () => ModelRefund): ModelRefund {
    const known = answers.get(key);
    if (known && known.body !== body) {
      throw new Stripe.errors.StripeIdempotencyError({
        type: 'idempotency_error',
        message: key,
        statusCode: 400,
      });
    }
    if (known?.error) throw known.error;
    if (known?.refund) return known.refund;
    try {
      const made = make();
      answers.set(key, { body, refund: made });
      return made;
    } catch (error) {
      if (error instanceof Stripe.errors.StripeError) answers.set(key, { body, error });
      throw error;
    }
  }

  const client = {
    refunds: {
      async create(params: Stripe.RefundCreateParams, { idempotencyKey }: { idempotencyKey: string }) {
        const trouble = troubles.shift();
        const made = answerOnce(idempotencyKey, JSON.stringify(params), () => {
          if (trouble === 'balance_insufficient') throw refusal(trouble);
          return refund(params.amount ?? 0, params.metadata as Record<string, string>);
        });
        if (trouble === 'lost')
          throw new Stripe.errors.StripeConnectionError({ type: 'api_error', message: 'lost' });
        return structuredClone(objectOf('refund', made));
      },
      list: async () => ({ data: structuredClone(refunds.map((it) => objectOf('refund', it)).reverse()) }),
    },
    disputes: {
      list: async () => ({
        data: structuredClone(disputes.map((it) => objectOf('dispute', it)).reverse()),
        lastResponse: { headers: { date: new Date(clock * 1000).toUTCString() } },
      }),
    },
  };

  /** The n-th of those that match, if there are any. */
  const pick = <T>(rows: readonly T[], n: number): T | undefined => rows[n % Math.max(1, rows.length)];

  return {
    client: client as unknown as Stripe,
    refunds,
    disputes,
    events,
    leftMinor,
    refundedMinor: () => sum(refunds.filter(({ status }) => status === 'succeeded')),
    takenMinor: () => sum(disputes.filter(({ status }) => status === 'needs_response' || status === 'lost')),
    lostMinor: () => sum(disputes.filter(({ status }) => status === 'lost')),
    addTrouble: (kind: (typeof troubles)[number]) => void troubles.push(kind),
    endTroubles: () => void (troubles.length = 0),
    setSlow: (slow: boolean) => void (isSlow = slow),
    passTime: () => void clock++,
    refundByHand(share: number): void {
      const amount = Math.ceil(leftMinor() * share);
      if (amount > 0 && !isHeld()) refund(amount);
    },
    endRefund(n: number, succeeded: boolean): void {
      const wanted = succeeded ? ['pending'] : ['pending', 'succeeded'];
      const found = pick(
        refunds.filter(({ status }) => wanted.includes(status)),
        n,
      );
      if (!found) return;
      found.status = succeeded ? 'succeeded' : 'failed';
      emit('refund.updated', objectOf('refund', found));
      if (!succeeded) emit('refund.failed', objectOf('refund', found));
    },
    dispute(share: number, isInquiry: boolean): void {
      const amount = Math.ceil(leftMinor() * share);
      if (amount === 0 || disputes.length > 1 || isHeld()) return;
      const status = isInquiry ? 'warning_needs_response' : 'needs_response';
      const made: ModelDispute = { id: `du_${randomUUID()}`, amount, status };
      disputes.push(made);
      emit('charge.dispute.created', objectOf('dispute', made));
      if (!isInquiry) emit('charge.dispute.funds_withdrawn', objectOf('dispute', made));
    },
    endDispute(n: number, won: boolean): void {
      const open = disputes.filter(({ status }) => status.endsWith('needs_response'));
      const found = pick(open, n);
      if (!found) return;
      clock++;
      found.status = found.status.startsWith('warning') ? 'warning_closed' : won ? 'won' : 'lost';
      emit('charge.dispute.closed', objectOf('dispute', found));
      if (found.status === 'won') emit('charge.dispute.funds_reinstated', objectOf('dispute', found));
    },
  };
}

export type StripeModel = ReturnType<typeof createStripeModel>;
