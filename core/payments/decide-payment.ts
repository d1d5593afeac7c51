import type { ReturnReason } from '../../domain/booking.ts';
import { lockBooking, moveBooking, type LockedBooking } from '../../db/bookings.ts';
import { violatedConstraint } from '../../db/errors.ts';
import { raiseFlag } from '../../db/flags.ts';
import { type Db, prepared, rows } from '../../db/knex.ts';
import { findPayment } from '../../db/payments.ts';
import { insertRefund } from '../../db/refunds.ts';
import { followRoomZone } from '../../db/stay-instants.ts';

/** `undecided`: no such payment, Stripe does not say `succeeded`, or a workflow must decide. */
export type MoneyDecision = 'kept' | 'returned' | 'undecided';

interface PaidRow {
  id: number;
  status: string;
  receivedMinor: number;
  currency: string;
  intentId: string;
  decision: 'kept' | 'returned' | null;
  /** When Stripe charged the card; null where nobody has asked. */
  chargedAt: Date | null;
  /** Some of it has gone back at Stripe already; a hold is confirmed all the same. */
  refunded: boolean;
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
 * one transaction under the booking's lock; `payments.decision` is set once, and a returned payment never confirms
 * anything.
 */
export async function decideMoney(db: Db, input: MoneyInput): Promise<MoneyDecision> {
  // First what nearly always is the case, and needs no look at the payment before.
  if (await confirmHold(db, input)) return 'kept';
  return decideInDoubt(db, input);
}

/**
 * Confirms a hold with its payment, in one statement (db/schema/confirm-hold.sql).
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
      `select p.id, p.status, p.amount_received_minor as "receivedMinor", p.currency, p.decision,
              p.stripe_payment_intent_id as "intentId", p.charged_at as "chargedAt",
              p.refunding_minor > 0 as refunded
         from payments p where p.id = ? for no key update`,
      [payment.id],
    );
    if (!booking || paid?.status !== 'succeeded') return 'undecided';
    if (paid.decision) return paid.decision;

    // Late money needs a workflow that owns the booking from here on; its message brings one.
    if (booking.status === 'expired' && !input.workflowId) return 'undecided';

    const reason = await confirmOrRefuse(trx, booking, paid, input);
    const decision = reason ? 'returned' : 'kept';
    await rows(trx, 'update payments set decision = ? where id = ?', [decision, paid.id]);
    if (reason) await insertRefund(trx, { paymentId: paid.id, reason });
    // What went back at Stripe before this was decided shows on the booking now.
    await rows(trx, 'select show_money(?)', [booking.id]);
    return decision;
  });
}

/** Confirms the booking with this payment, or says why the money goes back. */
async function confirmOrRefuse(
  trx: Db,
  booking: LockedBooking,
  paid: PaidRow,
  input: MoneyInput,
): Promise<ReturnReason | undefined> {
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
    case 'pending': {
      if (!isPaidInTime(booking, paid)) return 'late';
      await moveBooking(trx, { ...confirmation, cause: 'paid' });
      return undefined;
    }
    case 'expired': {
      // Money that has gone back by hand keeps a booking, but takes no slot.
      const startsAt = await followRoomZone(trx, booking.id);
      const possible = booking.roomAvailable && startsAt > booking.now && !paid.refunded;
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

/**
 * Was a hold paid for before its stay began? While it stands the charge's own time at Stripe decides: the news of it may
 * arrive after the start.
 */
function isPaidInTime(booking: LockedBooking, { chargedAt }: PaidRow): boolean {
  return booking.startsAt > booking.now || (chargedAt !== null && chargedAt < booking.startsAt);
}

/** Moves an expired booking back into its slot; the constraint of its claim says whether that is still free. */
async function takeSlotAgain(trx: Db, move: Parameters<typeof moveBooking>[1]): Promise<boolean> {
  try {
    return await trx.transaction((savepoint) => moveBooking(savepoint, move));
  } catch (error) {
    if (violatedConstraint(error) === 'claims_slot_taken') return false;
    throw error;
  }
}
