import type { RefundPurpose } from '../../domain/booking.ts';
import { lockBooking, moveBooking, type LockedBooking } from '../../db/bookings.ts';
import { violatedConstraint } from '../../db/errors.ts';
import { raiseFlag } from '../../db/flags.ts';
import { type Db, prepared, rows } from '../../db/knex.ts';
import { findPayment } from '../../db/payments.ts';
import { insertRefund } from '../../db/refunds.ts';

/** `undecided`: no such payment, Stripe does not say `succeeded`, or a workflow must decide. */
export type MoneyDecision = 'confirmed' | 'refunded' | 'undecided';

interface PaidRow {
  id: number;
  status: string;
  receivedMinor: number;
  currency: string;
  intentId: string;
  refunded: boolean;
  /** Somebody has given it back at Stripe already; the booking stands all the same. */
  refundedAtStripe: boolean;
}

interface MoneyInput {
  /** The payment, by its ref or by its PaymentIntent. The booking is the payment's own. */
  paymentRef?: string | undefined;
  intentId?: string;
  /** For the audit: who decides. */
  actor: string;
  /** The workflow that owns the booking if this confirms it; absent: it stays with its owner. */
  workflowId?: string;
}

/**
 * Decides, once and for all, what a succeeded payment is for: it confirms its booking, or it goes back. Either way in
 * one transaction under the booking's lock; a payment with a refund row never confirms anything.
 */
export async function decideMoney(db: Db, input: MoneyInput): Promise<MoneyDecision> {
  // First what nearly always is the case, and needs no look at the payment before.
  if (await confirmHold(db, input)) return 'confirmed';
  return decideInDoubt(db, input);
}

/**
 * Confirms a hold with its payment, in one statement (migration 0007).
 * @returns false when anything is out of the ordinary, and has to be decided with care
 */
async function confirmHold(db: Db, { paymentRef, actor, workflowId }: MoneyInput): Promise<boolean> {
  if (!paymentRef) return false;
  const [row] = await prepared<{ done: boolean }>(
    db,
    'confirm_hold',
    'select confirm_hold(?, ?, ?) as done',
    [paymentRef, actor, workflowId ?? null],
  );
  return row?.done === true;
}

/** Every case, under the locks of room and booking: late money takes its slot again, and only if it is free. */
async function decideInDoubt(db: Db, input: MoneyInput): Promise<MoneyDecision> {
  return db.transaction(async (trx) => {
    const payment = await findPayment(trx, input);
    if (!payment) return 'undecided';
    const booking = await lockBooking(trx, payment.bookingRef);
    const [paid] = await rows<PaidRow>(
      trx,
      `select p.id, p.status, p.amount_received_minor as "receivedMinor", p.currency,
              p.stripe_payment_intent_id as "intentId",
              exists (select 1 from refunds f where f.payment_id = p.id) as refunded,
              exists (select 1 from flags g
                       where g.kind = 'refunded_at_stripe' and g.subject = p.stripe_payment_intent_id)
                as "refundedAtStripe"
         from payments p where p.id = ? for no key update`,
      [payment.id],
    );
    if (!booking || paid?.status !== 'succeeded') return 'undecided';
    if (booking.confirmedPaymentId === paid.id) return 'confirmed';
    if (paid.refunded) return 'refunded';

    // Late money needs a workflow that owns the booking from here on; its message brings one.
    if (booking.status === 'expired' && !input.workflowId) return 'undecided';

    const purpose = await confirmOrName(trx, booking, paid, input);
    if (!purpose) {
      if (paid.refundedAtStripe)
        await rows(trx, "update bookings set payment_status = 'refunded' where id = ?", [booking.id]);
      return 'confirmed';
    }
    await insertRefund(trx, {
      paymentId: paid.id,
      purpose,
      amountMinor: paid.receivedMinor,
      currency: paid.currency,
    });
    return 'refunded';
  });
}

/** Confirms the booking with this payment, or names the purpose of its refund. */
async function confirmOrName(
  trx: Db,
  booking: LockedBooking,
  paid: PaidRow,
  input: MoneyInput,
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
      // Money that has gone back by hand keeps a booking, but takes no slot.
      const possible = booking.roomAvailable && booking.startsAt > booking.now && !paid.refundedAtStripe;
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
