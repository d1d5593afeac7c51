import { unexpectedDispute } from './errors.ts';
import type { World } from './events.ts';
import { newId, nowSeconds } from './ids.ts';
import type { Cause, Charge, Dispute, DisputeStatus } from './types.ts';

export interface DisputeOptions {
  reason?: string;
  /** What the customer disputes; all that has not gone back unless given. */
  amount?: number;
  /** Only an inquiry: the bank asks, and takes nothing yet. */
  isInquiry?: boolean;
}

/**
 * The customer's bank takes the money of a charge back: `charge.dispute.created` and `charge.dispute.funds_withdrawn`; an
 * inquiry takes nothing (https://docs.stripe.com/disputes/how-disputes-work).
 */
export function createDispute(world: World, charge: Charge, options: DisputeOptions, cause: Cause): Dispute {
  const { reason = 'fraudulent', isInquiry = false } = options;
  const dispute: Dispute = {
    id: newId('du'),
    object: 'dispute',
    amount: options.amount ?? charge.amount_captured - charge.amount_refunded,
    balance_transactions: [],
    charge: charge.id,
    created: nowSeconds(),
    currency: charge.currency,
    evidence: {},
    evidence_details: {
      due_by: nowSeconds() + 7 * 24 * 3600,
      has_evidence: false,
      past_due: false,
      submission_count: 0,
    },
    is_charge_refundable: isInquiry,
    livemode: charge.livemode,
    metadata: {},
    payment_intent: charge.payment_intent,
    reason,
    status: isInquiry ? 'warning_needs_response' : 'needs_response',
  };
  charge.disputed = true;
  world.tables.charges.save(charge);
  world.tables.disputes.save(dispute);
  world.emit('charge.dispute.created', dispute, cause);
  if (!isInquiry) moveFunds(world, dispute, -dispute.amount, cause);
  return dispute;
}

/** An open dispute goes on, with evidence or as an appeal, and an inquiry becomes one: `charge.dispute.updated`. */
export function updateDispute(world: World, dispute: Dispute, status: DisputeStatus, cause: Cause): Dispute {
  const wasInquiry = dispute.status.startsWith('warning');
  dispute.status = status;
  world.tables.disputes.save(dispute);
  world.emit('charge.dispute.updated', dispute, cause);
  if (wasInquiry && !status.startsWith('warning')) {
    dispute.is_charge_refundable = false;
    moveFunds(world, dispute, -dispute.amount, cause);
  }
  return dispute;
}

/** A dispute ends: `charge.dispute.closed`, and where it is won `charge.dispute.funds_reinstated`. */
export function closeDispute(
  world: World,
  dispute: Dispute,
  status: 'won' | 'lost' | 'warning_closed' | 'prevented',
  cause: Cause,
): Dispute {
  if (closedStatuses.includes(dispute.status)) throw unexpectedDispute(dispute.id, dispute.status);
  dispute.status = status;
  dispute.is_charge_refundable = status !== 'lost';
  world.tables.disputes.save(dispute);
  world.emit('charge.dispute.closed', dispute, cause);
  if (status === 'won') moveFunds(world, dispute, dispute.amount, cause);
  return dispute;
}

const closedStatuses: readonly DisputeStatus[] = ['won', 'lost', 'warning_closed', 'prevented'];

/** Does a dispute keep this charge from being refunded? One that was won, and an inquiry, does not. */
export function isHeldByDispute(world: World, chargeId: string): boolean {
  return world.tables.disputes.list().some((each) => each.charge === chargeId && !each.is_charge_refundable);
}

function moveFunds(world: World, dispute: Dispute, amount: number, cause: Cause): void {
  const { currency } = dispute;
  dispute.balance_transactions.push({
    id: newId('txn'),
    object: 'balance_transaction',
    amount,
    currency,
    created: nowSeconds(),
    reporting_category: amount < 0 ? 'dispute' : 'dispute_reversal',
  });
  world.tables.disputes.save(dispute);
  world.emit(`charge.dispute.funds_${amount < 0 ? 'withdrawn' : 'reinstated'}`, dispute, cause);
}
