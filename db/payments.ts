import type { PaymentStatus, ReturnReason } from '../domain/booking.ts';
import { declinesMax } from '../domain/limits.ts';
import { type Db, prepared, rows } from './knex.ts';
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
  /** Cards that were declined for this booking, whichever of its payments they were meant for. */
  declines: number;
}

const paymentColumns = `
  p.id, p.ref, p.attempt, p.stripe_payment_intent_id as "intentId", p.amount_minor as "amountMinor", p.currency,
  p.status, p.created_at as "createdAt", p.booking_id as "bookingId", b.ref as "bookingRef",
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
  const [row] = await prepared<PaymentRow & { outcome: OpenPayment['outcome'] }>(
    db,
    'open_payment',
    `select outcome, payment_id as id, ref, attempt, status, intent_id as "intentId", amount_minor as "amountMinor",
            currency, created_at as "createdAt", booking_ref as "bookingRef", ?::integer as "bookingId", 0 as declines
       from open_payment(?, ?, ?)`,
    [bookingId, bookingId, ref, declinesMax],
  );
  const { outcome, ...payment } = row as PaymentRow & { outcome: OpenPayment['outcome'] };
  return { outcome, payment };
}

/** The payments of a booking that may still be paid, `creating` ones included. */
export async function findOpenPayments(db: Db, bookingRef: string): Promise<PaymentRow[]> {
  return rows<PaymentRow>(
    db,
    `select ${paymentColumns} from ${paymentTables}
      where b.ref = ? and is_payable(p) order by p.id`,
    [bookingRef],
  );
}

/** One payment by its ref or by its PaymentIntent. */
export async function findPayment(
  db: Db,
  by: { paymentRef?: string | undefined; intentId?: string | undefined },
): Promise<PaymentRow | undefined> {
  const [row] = await prepared<PaymentRow>(
    db,
    'find_payment',
    `select ${paymentColumns} from ${paymentTables} where p.ref = ? or p.stripe_payment_intent_id = ?
      order by (p.stripe_payment_intent_id = ?) desc nulls last limit 1`,
    [by.paymentRef ?? null, by.intentId ?? null, by.intentId ?? null],
  );
  return row;
}

/** One payment by its id. */
export async function findPaymentById(db: Db, id: number): Promise<PaymentRow | undefined> {
  const [row] = await rows<PaymentRow>(db, `select ${paymentColumns} from ${paymentTables} where p.id = ?`, [
    id,
  ]);
  return row;
}

/** The refs of a booking's payments that brought money about which nothing is decided. */
export async function findUndecidedPayments(db: Db, bookingRef: string): Promise<string[]> {
  const undecided = await rows<{ ref: string }>(
    db,
    `select p.ref from payments p join bookings b on b.id = p.booking_id
      where b.ref = ? and p.status = 'succeeded' and p.decision is null`,
    [bookingRef],
  );
  return undecided.map(({ ref }) => ref);
}

type Decision = 'kept' | 'returned';

/**
 * Decides on the payment of a hold, in one statement (db/schema/decide-payment.sql).
 * @param request `workflowId` owns the booking if the payment confirms it; absent: it stays with its owner
 * @returns undefined when there is nothing to decide, or when the booking is no hold
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

/** What the decision on a payment rests on. */
export interface PaymentToDecide {
  id: number;
  status: IntentStatus;
  decision: Decision | null;
  /** Is it the booking's whole amount, in the booking's currency? */
  isAmountDue: boolean;
  /** Has some of it gone back already, or is it to go back? */
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
 * @returns false when somebody else has moved the booking first
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

/** Decides that a payment goes back. The caller has locked the booking and the payment. */
export async function returnPayment(trx: Db, paymentId: number, reason: ReturnReason): Promise<void> {
  await sql(
    trx,
    'return_payment',
    `select return_payment(p, b, :reason) from payments p join bookings b on b.id = p.booking_id
      where p.id = :paymentId`,
    { paymentId, reason },
  );
}

/** Lets the booking show what its money has become (db/schema/refunds.sql). */
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

/** What the payment status of a booking becomes when Stripe says this of its PaymentIntent. */
function paymentStatusOf(fact: IntentFact): PaymentStatus | null {
  if (fact.status === 'succeeded' || fact.status === 'processing') return fact.status;
  if (fact.status === 'canceled') return fact.lastAttemptFailed ? 'failed' : 'pending';
  if (fact.status === 'requires_payment_method' && fact.lastAttemptFailed) return 'failed';
  return null;
}

/**
 * Records what Stripe has answered, the currency included: money that came in another one must not pass for ours. A
 * final status is not taken back, so the order of answers does not matter; only money that Stripe says it has
 * received overrides a `canceled`. The booking shows its newest attempt.
 */
export async function recordIntent(db: Db, payment: PaymentRow, fact: IntentFact): Promise<void> {
  await prepared(
    db,
    'record_intent',
    `with booking as (
       -- Lock order: booking before payment.
       select id from bookings where id = ? for no key update
     ), told as (
       update bookings b set payment_status = coalesce(?, b.payment_status), updated_at = clock_timestamp()
         from booking
        where b.id = booking.id and b.payment_status in ('pending', 'processing', 'failed')
          and not exists (select 1 from payments q where q.booking_id = b.id and q.attempt > ?)
     )
     update payments p set status = ?, stripe_payment_intent_id = coalesce(stripe_payment_intent_id, ?),
            amount_received_minor = ?, currency = ?, stripe_charge_id = coalesce(?, stripe_charge_id),
            charged_at = coalesce(?, charged_at), updated_at = clock_timestamp()
       from booking
      where p.id = ? and p.booking_id = booking.id
        and (is_payable(p) or (p.status = 'canceled' and ? = 'succeeded'))`,
    [
      payment.bookingId,
      paymentStatusOf(fact),
      payment.attempt,
      fact.status,
      fact.intentId,
      fact.amountReceivedMinor,
      fact.currency,
      fact.chargeId,
      fact.chargedAt,
      payment.id,
      fact.status,
    ],
  );
}

/**
 * Takes in a paid PaymentIntent that carries a booking's ref but was not made through this table: money that came
 * for a booking is accounted for, whoever asked for it.
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
    // Another attempt may be under way: its number is seen by a statement that begins after the lock.
    await rows(trx, 'select 1 from bookings where ref = ? for no key update', [intent.bookingRef]);
    await rows(
      trx,
      `insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                             amount_received_minor, stripe_charge_id, charged_at)
       select ?, b.id, (select coalesce(max(q.attempt), 0) + 1 from payments q where q.booking_id = b.id), ?, ?, ?,
              'succeeded', ?, ?, ?
         from bookings b where b.ref = ?
       on conflict (stripe_payment_intent_id) do nothing`,
      [
        intent.paymentRef,
        intent.intentId,
        intent.amountMinor,
        intent.currency,
        intent.receivedMinor,
        intent.chargeId,
        intent.chargedAt,
        intent.bookingRef,
      ],
    );
  });
  return findPayment(db, { intentId: intent.intentId });
}
