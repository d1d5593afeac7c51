import type { Tables } from './tables.ts';
import type { Metadata, PaymentIntentStatus, Refund } from './types.ts';

/** The truth about the money, for checks of invariants. Amounts are minor units, instants Unix milliseconds. */
export interface LedgerEntry {
  id: string;
  status: PaymentIntentStatus;
  amount: number;
  currency: string;
  metadata: Metadata;
  /** What was taken from the card. */
  chargedMinor: number;
  /** What went back: refunds that have not failed. */
  refundedMinor: number;
  refunds: Pick<Refund, 'id' | 'amount' | 'status' | 'reason' | 'metadata' | 'created'>[];
  succeededAt: number | null;
  canceledAt: number | null;
  disputed: boolean;
}

export interface Ledger {
  paymentIntents: LedgerEntry[];
  totals: {
    paymentIntents: number;
    byStatus: Partial<Record<PaymentIntentStatus, number>>;
    chargedMinor: number;
    refundedMinor: number;
    refunds: number;
    events: number;
    undelivered: number;
  };
}

export function buildLedger(tables: Tables): Ledger {
  const refundsOf = new Map<string, Refund[]>();
  for (const refund of tables.refunds.list()) {
    const others = refundsOf.get(refund.payment_intent);
    if (others) others.push(refund);
    else refundsOf.set(refund.payment_intent, [refund]);
  }
  const disputed = new Set(tables.disputes.list().map((dispute) => dispute.payment_intent));
  const paymentIntents = tables.paymentIntents.list().map((intent): LedgerEntry => {
    const refunds = refundsOf.get(intent.id) ?? [];
    const note = tables.notes.get(intent.id);
    return {
      id: intent.id,
      status: intent.status,
      amount: intent.amount,
      currency: intent.currency,
      metadata: { ...intent.metadata },
      chargedMinor: intent.amount_received,
      refundedMinor: sum(refunds.map((refund) => (refund.status === 'failed' ? 0 : refund.amount))),
      refunds: refunds.map(({ id, amount, status, reason, metadata, created }) => ({
        id,
        amount,
        status,
        reason,
        metadata: { ...metadata },
        created,
      })),
      succeededAt: note?.succeededAtMs ?? null,
      canceledAt: note?.canceledAtMs ?? null,
      disputed: disputed.has(intent.id),
    };
  });
  const byStatus: Ledger['totals']['byStatus'] = {};
  for (const { status } of paymentIntents) byStatus[status] = (byStatus[status] ?? 0) + 1;
  return {
    paymentIntents,
    totals: {
      paymentIntents: paymentIntents.length,
      byStatus,
      chargedMinor: sum(paymentIntents.map((entry) => entry.chargedMinor)),
      refundedMinor: sum(paymentIntents.map((entry) => entry.refundedMinor)),
      refunds: tables.refunds.size,
      events: tables.events.size,
      undelivered: tables.deliveries.size,
    },
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
