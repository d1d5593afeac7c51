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
import { problemHeaders } from '../../../http/problems.ts';
import type { WebDeps } from '../../deps.ts';
import { Confirm, type Question } from '../confirm.tsx';
import { Field, formatMoney } from '../parts.tsx';
import { actorOf, goTo, idOf, type PanelRoute, respond, type Visit } from '../visit.ts';
import { BookingPage, isOverdue } from './booking-view.tsx';

/** A hold is settled within a request; what Stripe has not answered by then is tried again by the workflow. */
const settleWaitMs = 4_000;
const reasonCharsMax = 500;

/**
 * A booking's page and what staff can do to it: a cancellation through its workflow, and nothing without being asked
 * first.
 */
export function bookingPages(deps: WebDeps): PanelRoute[] {
  const { db } = deps;

  async function load(visit: Visit): Promise<BookingDetailRow> {
    const booking = await findBooking(db, idOf(visit));
    if (!booking) throw new Problem('booking_not_found');
    return booking;
  }

  async function show(visit: Visit): Promise<void> {
    const booking = await load(visit);
    const [payments, timeline] = await Promise.all([
      listBookingPayments(db, booking.id),
      readTimeline(db, booking.id),
    ]);
    const { uiUrl, namespace } = deps.config.temporal;
    const workflowUrl = (id: string) =>
      uiUrl && `${uiUrl.replace(/\/$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${id}`;
    respond(visit.ctx, 200, <BookingPage {...{ visit, booking, payments, timeline, workflowUrl }} />);
  }

  async function cancel(visit: Visit): Promise<void> {
    const booking = await load(visit);
    const refund = visit.form['refund'] === 'yes';
    await deps.cancelBooking(booking, { callerId: visit.staff.userId, byStaff: true, refund });
    goTo(visit.ctx, `/admin/bookings/${booking.id}`, 'cancelled');
  }

  async function refund(visit: Visit): Promise<void> {
    const booking = await load(visit);
    const reason = (visit.form['reason'] ?? '').trim();
    if (reason === '' || reason.length > reasonCharsMax) {
      throw new Problem('invalid_request', {
        detail: `Give a reason of at most ${reasonCharsMax} characters.`,
      });
    }
    const decided = await refundByStaff(db, {
      bookingRef: booking.ref,
      paymentId: visit.ids[1] as number,
      actorId: visit.staff.userId,
      reason,
    });
    if (!decided) throw new Problem('not_refundable');
    goTo(visit.ctx, `/admin/bookings/${booking.id}`, 'refunded');
  }

  async function retry(visit: Visit): Promise<void> {
    const booking = await load(visit);
    const refundId = visit.ids[1] as number;
    const payments = await listBookingPayments(db, booking.id);
    if (!payments.some(({ refunds }) => refunds.some(({ id }) => id === refundId)))
      throw new Problem('not_found');
    const sent = await retryRefund(db, { refundId, actorId: visit.staff.userId });
    goTo(visit.ctx, `/admin/bookings/${booking.id}`, sent.status === 'parked' ? 'parked' : 'refunded');
  }

  async function settle(visit: Visit): Promise<void> {
    const booking = await load(visit);
    if (!isOverdue(booking)) throw new Problem('not_overdue');
    const request = { bookingRef: booking.ref, actor: actorOf(visit), waitMs: settleWaitMs };
    const state = await settleHold(deps, request);
    const done = state?.status === 'pending' ? 'waiting' : 'settled';
    goTo(visit.ctx, `/admin/bookings/${booking.id}`, done);
  }

  /** Shows the question; its form comes back to the same address, and a refusal shows the question again. */
  function ask(
    path: string,
    question: (visit: Visit, booking: BookingDetailRow) => Question | Promise<Question>,
    act: (visit: Visit) => Promise<void>,
  ): PanelRoute[] {
    const render = async (visit: Visit, status: number, fault?: string) => {
      const asked = await question(visit, await load(visit));
      respond(visit.ctx, status, <Confirm visit={visit} question={{ ...asked, fault }} />);
    };
    return [
      { method: 'GET', path, serve: (visit) => render(visit, 200) },
      {
        method: 'POST',
        path,
        async serve(visit) {
          try {
            await act(visit);
          } catch (error) {
            if (!(error instanceof Problem) || error.status === 404) throw error;
            visit.ctx.set(problemHeaders(error));
            await render(visit, error.status, `${error.title} ${error.extras.detail ?? ''}`.trim());
          }
        },
      },
    ];
  }

  return [
    { method: 'GET', path: '/bookings/:id', serve: show },
    ...ask('/bookings/:id/cancel', (_visit, booking) => cancelQuestion(booking), cancel),
    ...ask('/bookings/:id/settle', (_visit, booking) => settleQuestion(booking), settle),
    ...ask(
      '/bookings/:id/payments/:id/refund',
      async (visit, booking) => {
        const payments = await listBookingPayments(db, booking.id);
        const payment = payments.find(({ id }) => id === visit.ids[1]);
        if (!payment) throw new Problem('not_found');
        return refundQuestion(booking, payment, visit.form['reason'] ?? '');
      },
      refund,
    ),
    ...ask('/bookings/:id/refunds/:id/retry', (visit, booking) => retryQuestion(booking, visit), retry),
  ];
}

const whatIsIt = (booking: BookingDetailRow) =>
  `${booking.room_name}, ${booking.booking_date} ${booking.start_time.slice(0, 5)}–${booking.end_time.slice(0, 5)}, ${booking.user_email}`;

function cancelQuestion(booking: BookingDetailRow): Question {
  const path = `/admin/bookings/${booking.id}`;
  const confirmed = booking.status === 'confirmed';
  return {
    section: 'Bookings',
    title: `Cancel booking #${booking.id}?`,
    action: `${path}/cancel`,
    back: path,
    submit: 'Cancel the booking',
    harmful: true,
    text: (
      <>
        <p>
          <strong>{whatIsIt(booking)}</strong>
        </p>
        <p>The slot becomes free at once. This cannot be undone.</p>
        {!confirmed && <p>It is not confirmed: whatever money came for it goes back.</p>}
      </>
    ),
    fields: confirmed && (
      <fieldset>
        <legend>The money ({formatMoney(booking.amount_minor, booking.currency)})</legend>
        <label class="choice">
          <input type="radio" name="refund" value="yes" checked />
          <span>Give all of it back</span>
        </label>
        <label class="choice">
          <input type="radio" name="refund" value="no" />
          <span>As for a guest: back if the start is far enough away, otherwise kept</span>
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
    action: `${path}/settle`,
    back: path,
    submit: 'Settle now',
    harmful: false,
    text: (
      <>
        <p>
          <strong>{whatIsIt(booking)}</strong>
        </p>
        <p>
          Stripe is asked: a paid booking is confirmed, an unpaid one expires and its slot is free. It is what
          the workflow does at the deadline.
        </p>
      </>
    ),
  };
}

function retryQuestion(booking: BookingDetailRow, visit: Visit): Question {
  const path = `/admin/bookings/${booking.id}`;
  return {
    section: 'Bookings',
    title: `Send refund ${visit.ids[1]} again?`,
    action: `${path}/refunds/${visit.ids[1]}/retry`,
    back: path,
    submit: 'Send again',
    harmful: false,
    text: (
      <>
        <p>
          <strong>{whatIsIt(booking)}</strong>
        </p>
        <p>
          Stripe is asked for this refund again. One that the bank has returned is made anew; nothing is sent
          twice.
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
    action: `${path}/payments/${payment.id}/refund`,
    back: path,
    submit: `Give back ${amount}`,
    harmful: true,
    text: (
      <>
        <p>
          <strong>{whatIsIt(booking)}</strong>
        </p>
        <p>
          {amount} of {formatMoney(payment.amount_received_minor, payment.currency)} goes back to the
          customer’s card. This cannot be undone.
        </p>
        {stays && (
          <p>
            <strong>The booking stays confirmed</strong> and keeps its slot. To free the slot, cancel the
            booking instead.
          </p>
        )}
        {!possible && <p>Nothing of this payment can be given back now.</p>}
      </>
    ),
    fields: (
      <Field
        name="reason"
        label="Reason, for the record"
        value={reason}
        maxLength={reasonCharsMax}
        required
      />
    ),
  };
}
