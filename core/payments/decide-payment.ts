import { type LockedBooking, lockBooking } from '../../db/bookings.ts';
import { violatedConstraint } from '../../db/errors.ts';
import type { Db } from '../../db/knex.ts';
import {
  decideHoldPayment,
  findPayment,
  keepPayment,
  lockPayment,
  type PaymentToDecide,
  returnPayment,
  showMoney,
} from '../../db/payments.ts';
import { followRoomZone } from '../../db/stay-instants.ts';
import type { ReturnReason } from '../../domain/booking.ts';
import { unreachable } from '../../domain/unreachable.ts';

/** `undecided`: no such payment, Stripe does not say `succeeded`, or a workflow must decide. */
export type PaymentDecision = 'kept' | 'returned' | 'undecided';

/** Who decides, for the audit; `workflowId` owns the booking if the payment confirms it. */
export interface Decider {
  actor: string;
  workflowId: string;
}

interface DecideRequest {
  /** The payment, by its ref or by its PaymentIntent. The booking is the payment's own. */
  paymentRef?: string | undefined;
  intentId?: string;
  actor: string;
  /** Absent: the booking stays with the workflow that owns it. */
  workflowId?: string;
}

/**
 * Decides, once and for all, what a succeeded payment is for: it is kept and confirms its booking, or it is returned.
 * Either way in one transaction under the booking's lock; a returned payment never confirms anything.
 */
export async function decidePayment(db: Db, request: DecideRequest): Promise<PaymentDecision> {
  // Nearly every payment is that of a hold, and is decided by one statement.
  const { paymentRef } = request;
  const decision = paymentRef && (await decideHoldPayment(db, { ...request, paymentRef }));
  return decision || decideUnderLock(db, request);
}

/** Decides under the locks of room and booking: a late payment takes the slot again, if it is free. */
async function decideUnderLock(db: Db, request: DecideRequest): Promise<PaymentDecision> {
  return db.transaction(async (trx) => {
    const found = await findPayment(trx, request);
    if (!found) return 'undecided';
    const booking = await lockBooking(trx, found.bookingRef);
    const payment = await lockPayment(trx, found.id);
    if (!booking || payment?.status !== 'succeeded') return 'undecided';
    if (payment.decision) return payment.decision;
    if (booking.status === 'pending') {
      return (await decideHoldPayment(trx, { ...request, paymentRef: found.ref })) ?? 'undecided';
    }
    // A late payment needs a workflow that owns the booking from here on; its message starts one.
    if (booking.status === 'expired' && !request.workflowId) return 'undecided';

    const reason = await keepOrRefuse(trx, { ...booking, status: booking.status }, payment, request);
    if (reason) await returnPayment(trx, payment.id, reason);
    // The booking shows now what went back at Stripe before this was decided.
    await showMoney(trx, booking.id);
    return reason ? 'returned' : 'kept';
  });
}

/** Confirms the booking with this payment, or says why the money goes back. */
async function keepOrRefuse(
  trx: Db,
  booking: LockedBooking & { status: Exclude<LockedBooking['status'], 'pending'> },
  payment: PaymentToDecide,
  request: DecideRequest,
): Promise<ReturnReason | undefined> {
  if (!payment.isAmountDue) return 'mismatch';
  switch (booking.status) {
    case 'expired': {
      const startsAt = await followRoomZone(trx, booking.id);
      // Money that somebody gave back at Stripe keeps a booking, but does not take a slot.
      const isPossible = booking.roomAvailable && startsAt > booking.now && !payment.isRefunded;
      return isPossible && (await takeSlotAgain(trx, payment, request)) ? undefined : 'late';
    }
    case 'cancelled':
      return 'cancelled';
    case 'confirmed':
    case 'completed':
      return 'duplicate';
    default:
      return unreachable(booking.status);
  }
}

/** Confirms an expired booking; the constraint of its claim says whether its slot is still free. */
async function takeSlotAgain(
  trx: Db,
  { id }: PaymentToDecide,
  { actor, workflowId }: DecideRequest,
): Promise<boolean> {
  try {
    return await trx.transaction((savepoint) =>
      keepPayment(savepoint, { paymentId: id, actor, cause: 'paid_late', workflowId }),
    );
  } catch (error) {
    if (violatedConstraint(error) === 'claims_slot_taken') return false;
    throw error;
  }
}
