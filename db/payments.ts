import type { PaymentStatus, ReturnReason } from '../domain/booking.ts';
import { declinesMax } from '../domain/limits.ts';
import type { Db } from './knex.ts';
import type { IntentStatus } from './models.ts';
import { sql } from './sql.ts';

export interface PaymentRow {
  id: number;
  ref: string;
  attempt: number;
  intentId: string | null;
  amountMinor: number;
  currency: string;
  status: IntentStatus;
  createdAt: Date;
  bookingId: number;
  bookingRef: string;
  /** Declined attempts for this booking, summed over all its payments. */
  declines: number;
}

const paymentColumns = `
  p.id, p.ref, p.attempt, p.stripe_payment_intent_id as intent_id, p.amount_minor, p.currency, p.status, p.created_at,
  p.booking_id, b.ref as booking_ref,
  (select sum(q.declines)::integer from payments q where q.booking_id = b.id) as declines`;
const paymentTables = 'payments p join bookings b on b.id = p.booking_id';

export interface OpenPayment {
  outcome: 'new' | 'live' | 'already_paid' | 'hold_expired' | 'too_many_attempts';
  payment: PaymentRow;
}

/**
 * The booking's live payment, made in `creating` with this `ref` if there is none (db/schema/payments.sql). `payment` is
 * meaningful for `new` and `live` only.
 */
export async function openPaymentRow(db: Db, bookingId: number, ref: string): Promise<OpenPayment> {
  const [row] = await sql<PaymentRow & { outcome: OpenPayment['outcome'] }>(
    db,
    'open_payment',
    `select outcome, payment_id as id, ref, attempt, status, intent_id, amount_minor, currency, created_at, booking_ref,
            :bookingId::integer as booking_id, 0 as declines
       from open_payment(:bookingId, :ref, :declinesMax)`,
    { bookingId, ref, declinesMax },
  );
  const { outcome, ...payment } = row as PaymentRow & { outcome: OpenPayment['outcome'] };
  return { outcome, payment };
}

/** The payments of a booking that may still be paid, `creating` ones included. */
export async function findOpenPayments(db: Db, bookingRef: string): Promise<PaymentRow[]> {
  return sql<PaymentRow>(
    db,
    'find_open_payments',
    `select ${paymentColumns} from ${paymentTables} where b.ref = :bookingRef and is_payable(p) order by p.id`,
    { bookingRef },
  );
}

/** One payment by its ref or by its PaymentIntent. */
export async function findPayment(
  db: Db,
  by: { paymentRef?: string | undefined; intentId?: string | undefined },
): Promise<PaymentRow | undefined> {
  const [row] = await sql<PaymentRow>(
    db,
    'find_payment',
    `select ${paymentColumns} from ${paymentTables} where p.ref = :paymentRef or p.stripe_payment_intent_id = :intentId
      order by (p.stripe_payment_intent_id = :intentId) desc nulls last limit 1`,
    { paymentRef: by.paymentRef ?? null, intentId: by.intentId ?? null },
  );
  return row;
}

/** One payment by its id. */
export async function findPaymentById(db: Db, id: number): Promise<PaymentRow | undefined> {
  const statement = `select ${paymentColumns} from ${paymentTables} where p.id = :id`;
  const [row] = await sql<PaymentRow>(db, 'find_payment_by_id', statement, { id });
  return row;
}

/** The refs of a booking's paid payments that are still undecided. */
export async function findUndecidedPayments(db: Db, bookingRef: string): Promise<string[]> {
  const undecided = await sql<{ ref: string }>(
    db,
    'find_undecided_payments',
    `select p.ref from ${paymentTables} where b.ref = :bookingRef and p.status = 'succeeded' and p.decision is null`,
    { bookingRef },
  );
  return undecided.map(({ ref }) => ref);
}

type Decision = 'kept' | 'returned';

/**
 * Decides on the payment of a hold, in one statement (db/schema/decide-payment.sql).
 * @param request `workflowId` becomes the booking's owner if the payment confirms it; absent: the owner stays
 * @returns undefined when there is nothing to decide, or when the booking is not a hold
 */
export async function decideHoldPayment(
  db: Db,
  request: { paymentRef: string; actor: string; workflowId?: string | undefined },
): Promise<Decision | undefined> {
  const { paymentRef, actor, workflowId = null } = request;
  const [row] = await sql<{ decision: Decision | null }>(
    db,
    'decide_hold_payment',
    'select decide_hold_payment(:paymentRef, :actor, :workflowId) as decision',
    { paymentRef, actor, workflowId },
  );
  return row?.decision ?? undefined;
}

/** The facts that the decision on a payment depends on. */
export interface PaymentToDecide {
  id: number;
  status: IntentStatus;
  decision: Decision | null;
  /** Whether it is the booking's whole amount, in the booking's currency. */
  isAmountDue: boolean;
  /** Whether a part has been refunded, or will be. */
  isRefunded: boolean;
}

/** Locks a payment. The caller has locked its booking. */
export async function lockPayment(trx: Db, paymentId: number): Promise<PaymentToDecide | undefined> {
  const [row] = await sql<PaymentToDecide>(
    trx,
    'lock_payment_to_decide',
    `select p.id, p.status, p.decision, is_amount_due(p, b) as is_amount_due, p.refunding_minor > 0 as is_refunded
       from payments p join bookings b on b.id = p.booking_id where p.id = :paymentId for no key update of p`,
    { paymentId },
  );
  return row;
}

/**
 * Decides that a payment confirms its booking. The caller has locked both.
 * @returns false when another transaction moved the booking first
 * @throws the violation of `claims_slot_taken` when the booking's time is taken
 */
export async function keepPayment(
  trx: Db,
  request: { paymentId: number; actor: string; cause: string; workflowId?: string | undefined },
): Promise<boolean> {
  const { paymentId, actor, cause, workflowId = null } = request;
  const [row] = await sql<{ kept: boolean }>(
    trx,
    'keep_payment',
    'select keep_payment(p, :actor, :cause, :workflowId) as kept from payments p where p.id = :paymentId',
    { paymentId, actor, cause, workflowId },
  );
  return row?.kept === true;
}

/** Decides that a payment is refunded. The caller has locked the booking and the payment. */
export async function returnPayment(trx: Db, paymentId: number, reason: ReturnReason): Promise<void> {
  await sql(
    trx,
    'return_payment',
    `select return_payment(p, b, :reason) from payments p join bookings b on b.id = p.booking_id
      where p.id = :paymentId`,
    { paymentId, reason },
  );
}

/** Updates the payment status that the booking shows (db/schema/refunds.sql). */
export async function showMoney(trx: Db, bookingId: number): Promise<void> {
  await sql(trx, 'show_money', 'select show_money(:bookingId)', { bookingId });
}

export interface IntentFact {
  intentId: string | null;
  status: IntentStatus;
  amountReceivedMinor: number;
  currency: string;
  /** The charge that paid it, and when it was made. */
  chargeId: string | null;
  chargedAt: Date | null;
  /** Stripe has an error of the last attempt to pay: the front end shows `failed` and asks again. */
  lastAttemptFailed: boolean;
}

/** The payment status of a booking that follows from Stripe's status of its PaymentIntent. */
function paymentStatusOf(fact: IntentFact): PaymentStatus | null {
  if (fact.status === 'succeeded' || fact.status === 'processing') return fact.status;
  if (fact.status === 'canceled') return fact.lastAttemptFailed ? 'failed' : 'pending';
  if (fact.status === 'requires_payment_method' && fact.lastAttemptFailed) return 'failed';
  return null;
}

/**
 * Records Stripe's state of a PaymentIntent, including the currency: money in another currency must not pass for ours.
 * A final status stays, so the order of answers does not matter; only `succeeded` overrides `canceled`. The booking
 * shows its newest payment.
 */
export async function recordIntent(db: Db, payment: PaymentRow, fact: IntentFact): Promise<void> {
  await sql(
    db,
    'record_intent',
    `with booking as (
       -- Lock order: booking before payment.
       select id from bookings where id = :bookingId for no key update
     ), shown as (
       update bookings b set payment_status = coalesce(:paymentStatus, b.payment_status), updated_at = clock_timestamp()
         from booking
        where b.id = booking.id and b.payment_status in ('pending', 'processing', 'failed')
          and not exists (select 1 from payments q where q.booking_id = b.id and q.attempt > :attempt)
     )
     update payments p
        set status = :status, stripe_payment_intent_id = coalesce(stripe_payment_intent_id, :intentId),
            amount_received_minor = :amountReceivedMinor, currency = :currency,
            stripe_charge_id = coalesce(:chargeId, stripe_charge_id), charged_at = coalesce(:chargedAt, charged_at),
            updated_at = clock_timestamp()
       from booking
      where p.id = :paymentId and p.booking_id = booking.id
        and (is_payable(p) or (p.status = 'canceled' and :status = 'succeeded'))`,
    {
      bookingId: payment.bookingId,
      paymentStatus: paymentStatusOf(fact),
      attempt: payment.attempt,
      status: fact.status,
      intentId: fact.intentId,
      amountReceivedMinor: fact.amountReceivedMinor,
      currency: fact.currency,
      chargeId: fact.chargeId,
      chargedAt: fact.chargedAt,
      paymentId: payment.id,
    },
  );
}

/**
 * Inserts the payment of a paid PaymentIntent that carries a booking's ref but was not made by this service.
 * @returns the payment, also when another process was faster
 */
export async function adoptPaidIntent(
  db: Db,
  intent: {
    bookingRef: string;
    paymentRef: string;
    intentId: string;
    amountMinor: number;
    receivedMinor: number;
    currency: string;
    chargeId: string | null;
    chargedAt: Date | null;
  },
): Promise<PaymentRow | undefined> {
  await db.transaction(async (trx) => {
    // Another payment may be inserted at this moment: a statement that begins after the lock sees its number.
    const { bookingRef } = intent;
    await sql(trx, 'lock_booking_row', 'select 1 from bookings where ref = :bookingRef for no key update', {
      bookingRef,
    });
    await sql(
      trx,
      'adopt_payment',
      `insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                             amount_received_minor, stripe_charge_id, charged_at)
       select :paymentRef, b.id, (select coalesce(max(q.attempt), 0) + 1 from payments q where q.booking_id = b.id),
              :intentId, :amountMinor, :currency, 'succeeded', :receivedMinor, :chargeId, :chargedAt
         from bookings b where b.ref = :bookingRef
       on conflict (stripe_payment_intent_id) do nothing`,
      { ...intent },
    );
  });
  return findPayment(db, { intentId: intent.intentId });
}
