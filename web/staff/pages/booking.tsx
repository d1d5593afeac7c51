import { settleHold } from '../../../core/bookings/settle-hold.ts';
import { type BookingDetailRow, findBooking } from '../../../db/bookings.ts';
import { retryRefund } from '../../../core/payments/retry-refund.ts';
import {
  listBookingPayments,
  refundableMinor,
  readTimeline,
  refundByStaff,
} from '../queries/booking-page.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import { confirmFirst, type Question } from '../confirm.tsx';
import { Field, formatMoney } from '../parts.tsx';
import { actorOf, goTo, idOf, type PanelRoute, respond, type PanelRequest } from '../panel-request.ts';
import { BookingPage, isOverdue } from './booking-view.tsx';

/** How long a request waits for Stripe while it settles a hold; after that the workflow tries again. */
const settleWaitMs = 4_000;
const reasonCharsMax = 500;

/** A booking's page and what staff can do with it. Every action is confirmed first; a cancellation goes through the workflow. */
export function bookingPages(deps: WebDeps): PanelRoute[] {
  const { db } = deps;

  async function load(request: PanelRequest): Promise<BookingDetailRow> {
    const booking = await findBooking(db, idOf(request));
    if (!booking) throw new Problem('booking_not_found');
    return booking;
  }

  async function show(request: PanelRequest): Promise<void> {
    const booking = await load(request);
    const [payments, timeline] = await Promise.all([
      listBookingPayments(db, booking.id),
      readTimeline(db, booking.id),
    ]);
    const { uiUrl, namespace } = deps.config.temporal;
    const workflowUrl = (id: string) =>
      uiUrl && `${uiUrl.replace(/\/$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${id}`;
    respond(request.ctx, 200, <BookingPage {...{ request, booking, payments, timeline, workflowUrl }} />);
  }

  async function cancel(request: PanelRequest): Promise<void> {
    const booking = await load(request);
    const refund = request.form['refund'] === 'yes';
    await deps.cancelBooking(booking, { callerId: request.staff.userId, byStaff: true, refund });
    goTo(request.ctx, `/admin/bookings/${booking.id}`, 'cancelled');
  }

  async function refund(request: PanelRequest): Promise<void> {
    const booking = await load(request);
    const reason = (request.form['reason'] ?? '').trim();
    if (reason === '' || reason.length > reasonCharsMax) {
      throw new Problem('invalid_request', {
        detail: `Give a reason of at most ${reasonCharsMax} characters.`,
      });
    }
    const decided = await refundByStaff(db, {
      bookingRef: booking.ref,
      paymentId: idOf(request, 'paymentId'),
      actorId: request.staff.userId,
      reason,
    });
    if (!decided) throw new Problem('not_refundable');
    goTo(request.ctx, `/admin/bookings/${booking.id}`, 'refunded');
  }

  async function askRefund(request: PanelRequest): Promise<Question> {
    const booking = await load(request);
    const payments = await listBookingPayments(db, booking.id);
    const payment = payments.find(({ id }) => id === idOf(request, 'paymentId'));
    if (!payment) throw new Problem('not_found');
    return refundQuestion(booking, payment, request.form['reason'] ?? '');
  }

  async function askRetry(request: PanelRequest): Promise<Question> {
    return retryQuestion(await load(request), idOf(request, 'refundId'));
  }

  async function retry(request: PanelRequest): Promise<void> {
    const booking = await load(request);
    const refundId = idOf(request, 'refundId');
    const payments = await listBookingPayments(db, booking.id);
    if (!payments.some(({ refunds }) => refunds.some(({ id }) => id === refundId)))
      throw new Problem('not_found');
    const sent = await retryRefund(db, { refundId, actorId: request.staff.userId });
    goTo(request.ctx, `/admin/bookings/${booking.id}`, sent.status === 'parked' ? 'parked' : 'refunded');
  }

  async function settle(request: PanelRequest): Promise<void> {
    const booking = await load(request);
    if (!isOverdue(booking)) throw new Problem('not_overdue');
    const state = await settleHold(deps, {
      bookingRef: booking.ref,
      actor: actorOf(request),
      waitMs: settleWaitMs,
    });
    const done = state?.status === 'pending' ? 'waiting' : 'settled';
    goTo(request.ctx, `/admin/bookings/${booking.id}`, done);
  }

  return [
    { method: 'GET', path: '/bookings/:id', serve: show },
    ...confirmFirst('/bookings/:id/cancel', async (request) => cancelQuestion(await load(request)), cancel),
    ...confirmFirst('/bookings/:id/settle', async (request) => settleQuestion(await load(request)), settle),
    ...confirmFirst('/bookings/:id/payments/:paymentId/refund', askRefund, refund),
    ...confirmFirst('/bookings/:id/refunds/:refundId/retry', askRetry, retry),
  ];
}

const summaryOf = (booking: BookingDetailRow) =>
  `${booking.room_name}, ${booking.booking_date} ${booking.start_time.slice(0, 5)}–${booking.end_time.slice(0, 5)}, ${booking.user_email}`;

function cancelQuestion(booking: BookingDetailRow): Question {
  const path = `/admin/bookings/${booking.id}`;
  const confirmed = booking.status === 'confirmed';
  return {
    section: 'Bookings',
    title: `Cancel booking #${booking.id}?`,
    back: path,
    submit: 'Cancel booking',
    harmful: true,
    text: (
      <>
        <p>
          <strong>{summaryOf(booking)}</strong>
        </p>
        <p>The slot becomes free at once. This cannot be undone.</p>
        {!confirmed && <p>It is not confirmed: any payment received for it is refunded.</p>}
      </>
    ),
    fields: confirmed && (
      <fieldset>
        <legend>Payment ({formatMoney(booking.amount_minor, booking.currency)})</legend>
        <label class="choice">
          <input type="radio" name="refund" value="yes" checked />
          <span>Refund it in full</span>
        </label>
        <label class="choice">
          <input type="radio" name="refund" value="no" />
          <span>Apply the guest policy</span>
        </label>
      </fieldset>
    ),
  };
}

function settleQuestion(booking: BookingDetailRow): Question {
  const path = `/admin/bookings/${booking.id}`;
  return {
    section: 'Bookings',
    title: `Settle the hold of booking #${booking.id} now?`,
    back: path,
    submit: 'Settle now',
    harmful: false,
    text: (
      <>
        <p>
          <strong>{summaryOf(booking)}</strong>
        </p>
        <p>
          This asks Stripe for the payment: if it was paid, the booking is confirmed; otherwise it expires and
          the slot becomes free. The workflow does the same at the deadline.
        </p>
      </>
    ),
  };
}

function retryQuestion(booking: BookingDetailRow, refundId: number): Question {
  const path = `/admin/bookings/${booking.id}`;
  return {
    section: 'Bookings',
    title: `Retry refund ${refundId}?`,
    back: path,
    submit: 'Retry refund',
    harmful: false,
    text: (
      <>
        <p>
          <strong>{summaryOf(booking)}</strong>
        </p>
        <p>
          This asks Stripe for the refund again. A refund that the bank returned is created anew. Nothing is
          refunded twice.
        </p>
      </>
    ),
  };
}

type Payment = Awaited<ReturnType<typeof listBookingPayments>>[number];

function refundQuestion(booking: BookingDetailRow, payment: Payment, reason: string): Question {
  const path = `/admin/bookings/${booking.id}`;
  const amount = formatMoney(refundableMinor(booking.status, payment), payment.currency);
  const possible = refundableMinor(booking.status, payment) > 0;
  const stays = booking.status === 'confirmed';
  return {
    section: 'Bookings',
    title: `Refund payment ${payment.id}?`,
    back: path,
    submit: `Refund ${amount}`,
    harmful: true,
    text: (
      <>
        <p>
          <strong>{summaryOf(booking)}</strong>
        </p>
        <p>
          {amount} of {formatMoney(payment.amount_received_minor, payment.currency)} is refunded to the
          customer’s card. This cannot be undone.
        </p>
        {stays && (
          <p>
            <strong>The booking stays confirmed</strong> and keeps its slot. To free the slot, cancel the
            booking instead.
          </p>
        )}
        {!possible && <p>Nothing is left of this payment to refund.</p>}
      </>
    ),
    fields: (
      <Field
        name="reason"
        label="Reason (for the record)"
        value={reason}
        maxLength={reasonCharsMax}
        required
      />
    ),
  };
}
