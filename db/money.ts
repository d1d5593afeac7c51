import type { RefundPurpose } from '../domain/booking.ts';
import { lockBooking, moveBooking, type LockedBooking } from './bookings.ts';
import { violatedConstraint } from './errors.ts';
import { raiseFlag } from './flags.ts';
import { type Db, rows } from './knex.ts';
import { insertRefund } from './refunds.ts';

export type MoneyDecision =
  | { decision: 'confirmed' | 'kept' }
  | { decision: 'refund'; purpose: RefundPurpose }
  /** Stripe does not say `succeeded`, or a workflow must decide: nothing is decided here. */
  | { decision: 'unpaid' };

interface PaidRow {
  id: number;
  status: string;
  amountMinor: number;
  receivedMinor: number;
  currency: string;
  intentId: string;
  refunded: boolean;
  /** Somebody has given it back at Stripe already; the booking stands all the same. */
  refundedAtStripe: boolean;
}

/**
 * Decides, once and for all, what a succeeded payment is for: it confirms its booking, or it goes back. One
 * transaction under the locks of room and booking; a payment with a refund row never confirms anything.
 *
 * @param input.workflowId the workflow that owns the booking if this confirms it; absent: it stays with its owner
 */
export async function decideMoney(
  db: Db,
  input: { paymentRef: string; bookingRef: string; actor: string; workflowId?: string },
): Promise<MoneyDecision> {
  return db.transaction(async (trx) => {
    const booking = await lockBooking(trx, input.bookingRef);
    const [paid] = await rows<PaidRow>(
      trx,
      `select p.id, p.status, p.amount_minor as "amountMinor", p.amount_received_minor as "receivedMinor", p.currency,
              p.stripe_payment_intent_id as "intentId",
              exists (select 1 from refunds f where f.payment_id = p.id) as refunded,
              exists (select 1 from flags g
                       where g.kind = 'refunded_at_stripe' and g.subject = p.stripe_payment_intent_id)
                as "refundedAtStripe"
         from payments p where p.ref = ? for no key update`,
      [input.paymentRef],
    );
    if (!booking || paid?.status !== 'succeeded') return { decision: 'unpaid' };
    if (booking.confirmedPaymentId === paid.id) return { decision: 'kept' };
    if (paid.refunded) return { decision: 'refund', purpose: 'late' };

    // Late money needs a workflow that owns the booking from here on; its message brings one.
    if (booking.status === 'expired' && !input.workflowId) return { decision: 'unpaid' };

    const purpose = await confirmOrName(trx, booking, paid, input);
    if (!purpose) {
      if (paid.refundedAtStripe)
        await rows(trx, "update bookings set payment_status = 'refunded' where id = ?", [booking.id]);
      return { decision: 'confirmed' };
    }
    await insertRefund(trx, {
      paymentId: paid.id,
      purpose,
      amountMinor: paid.receivedMinor,
      currency: paid.currency,
    });
    return { decision: 'refund', purpose };
  });
}

/** Confirms the booking with this payment, or names the purpose of its refund. */
async function confirmOrName(
  trx: Db,
  booking: LockedBooking,
  paid: PaidRow,
  input: { actor: string; workflowId?: string },
): Promise<RefundPurpose | undefined> {
  if (paid.receivedMinor !== booking.amountMinor || paid.currency !== booking.currency) {
    const detail = `${paid.receivedMinor} ${paid.currency} came for a booking of ${booking.amountMinor} ${booking.currency}.`;
    await raiseFlag(trx, { kind: 'payment_mismatch', subject: paid.intentId, detail, bookingId: booking.id });
    return 'mismatch';
  }
  const confirmation = {
    bookingId: booking.id,
    to: 'confirmed' as const,
    actor: input.actor,
    confirmedPaymentId: paid.id,
    ...(input.workflowId && { workflowId: input.workflowId }),
  };
  switch (booking.status) {
    case 'pending':
      await moveBooking(trx, { ...confirmation, cause: 'paid' });
      return undefined;
    case 'expired': {
      const possible = booking.roomAvailable && booking.startsAt > booking.now;
      const late = { ...confirmation, cause: 'paid_late' };
      return possible && (await takeSlotAgain(trx, late)) ? undefined : 'late';
    }
    case 'cancelled':
      return 'cancelled';
    case 'confirmed':
    case 'completed':
      return 'duplicate';
  }
}

/** Moves an expired booking back into its slot; the constraint says whether it is still free. */
async function takeSlotAgain(trx: Db, move: Parameters<typeof moveBooking>[1]): Promise<boolean> {
  try {
    return await trx.transaction((savepoint) => moveBooking(savepoint, move));
  } catch (error) {
    if (violatedConstraint(error) === 'bookings_slot_taken') return false;
    throw error;
  }
}

/**
 * Expires a hold that was not paid, unless a payment for it is on record by now.
 * @returns false when the booking is no longer an overdue hold, or money for it has come
 */
export async function expireHold(db: Db, bookingRef: string, actor: string, cause: string): Promise<boolean> {
  return db.transaction(async (trx) => {
    const booking = await lockBooking(trx, bookingRef);
    if (booking?.status !== 'pending') return false;
    const paid = await rows(
      trx,
      `select 1 from payments p where p.booking_id = ? and p.status = 'succeeded'
          and not exists (select 1 from refunds f where f.payment_id = p.id)`,
      [booking.id],
    );
    if (paid.length > 0) return false;
    return moveBooking(trx, { bookingId: booking.id, to: 'expired', actor, cause });
  });
}
