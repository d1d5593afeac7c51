import type { World } from './events.ts';
import { newId, nowSeconds } from './ids.ts';
import type { Cause, Charge, Dispute } from './types.ts';

/** The customer's bank takes the money of a charge back: `charge.dispute.created`. */
export function createDispute(world: World, charge: Charge, reason: string, cause: Cause): Dispute {
  const dispute: Dispute = {
    id: newId('du'),
    object: 'dispute',
    amount: charge.amount_captured - charge.amount_refunded,
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
    is_charge_refundable: false,
    livemode: charge.livemode,
    metadata: {},
    payment_intent: charge.payment_intent,
    reason,
    status: 'needs_response',
  };
  charge.disputed = true;
  world.tables.charges.save(charge);
  world.tables.disputes.save(dispute);
  world.emit('charge.dispute.created', dispute, cause);
  return dispute;
}
