import type { BookingDetailRow } from '../../../db/bookings.ts';
import type { Question } from '../confirm.tsx';
import { Field, formatMoney } from '../parts.tsx';
import { type BookingPaymentRow, refundableMinor } from '../queries/booking-page.ts';

/** The questions before each action on a booking. */

export const reasonCharsMax = 500;

const summaryOf = (booking: BookingDetailRow) =>
  `${booking.room_name}, ${booking.booking_date} ${booking.start_time.slice(0, 5)}–${booking.end_time.slice(0, 5)}, ${booking.user_email}`;

export function cancelQuestion(booking: BookingDetailRow): Question {
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

export function settleQuestion(booking: BookingDetailRow): Question {
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

export function retryQuestion(booking: BookingDetailRow, refundId: number): Question {
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

export function refundQuestion(
  booking: BookingDetailRow,
  payment: BookingPaymentRow,
  reason: string,
): Question {
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
