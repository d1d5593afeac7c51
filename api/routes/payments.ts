import { z } from 'zod';
import { toMajor, toMinor } from '../../domain/money.ts';
import { integerMax, stripeRequestMs } from '../../domain/limits.ts';
import { fieldProblem } from '../../domain/problems.ts';
import { readBookingFor } from '../read-bookings.ts';
import type { Deps } from '../deps.ts';
import { answerOnce } from '../../http/idempotency.ts';
import { route, type Route } from '../../http/route.ts';
import { id, idParams } from '../../http/schemas.ts';
import { findOpenedPayment, type OpenedPayment, openPayment } from '../../core/payments/open-payment.ts';
import { Problem } from '../../domain/problems.ts';
import type { BookingDetailRow } from '../../db/bookings.ts';
import { retryRefund } from '../../core/payments/retry-refund.ts';
import { refundView, viewRefund } from '../views.ts';

const intentView = z
  .strictObject({
    payment_intent_id: z.string(),
    client_secret: z.string(),
    amount: z.number(),
    currency: z.string(),
    status: z.string(),
    booking_id: id,
  })
  .meta({ id: 'PaymentIntent' });

const request = z.strictObject({
  booking_id: id,
  // As much as a row can hold, in a currency without decimals.
  amount: z.number().min(0).max(integerMax).optional(),
  currency: z.string().min(3).max(3).optional(),
});

/** Old clients send what they believe the price to be: a different belief is refused, never charged. */
function refuseOtherAmount(booking: BookingDetailRow, sent: z.output<typeof request>): void {
  const expected = `${toMajor(booking.amount_minor, booking.currency)} ${booking.currency}`;
  if (sent.currency !== undefined && sent.currency.toLowerCase() !== booking.currency) {
    throw fieldProblem('amount_mismatch', 'currency', `The booking costs ${expected}.`);
  }
  if (sent.amount !== undefined && toMinor(sent.amount, booking.currency) !== booking.amount_minor) {
    throw fieldProblem('amount_mismatch', 'amount', `The booking costs ${expected}.`);
  }
}

function viewIntent({ payment, intent }: OpenedPayment): z.input<typeof intentView> {
  return {
    payment_intent_id: intent.id,
    client_secret: intent.client_secret ?? '',
    amount: toMajor(payment.amountMinor, payment.currency),
    currency: payment.currency,
    status: intent.status,
    booking_id: payment.bookingId,
  };
}

export function paymentRoutes(deps: Deps): Route[] {
  const open = route({
    method: 'POST',
    path: '/api/payment-intent/',
    access: 'user',
    tag: 'Payment',
    summary: 'The one live PaymentIntent of a booking; asking again returns the same',
    body: request,
    example: { booking_id: 1 },
    idempotent: true,
    deadlineMs: stripeRequestMs,
    status: 201,
    response: intentView,
    problems: [
      'booking_not_found',
      'already_paid',
      'amount_mismatch',
      'hold_expired',
      'amount_not_chargeable',
      'too_many_payment_attempts',
      'stripe_unavailable',
      'payment_provider_refused',
    ],
  })(async ({ body, caller, ctx }) => {
    const run = async () => {
      const booking = await readBookingFor(deps, caller, body.booking_id);
      // The secret lets its holder pay: it is the owner's alone, not even staff's.
      if (booking.user_id !== caller.userId) throw new Problem('booking_not_found');
      refuseOtherAmount(booking, body);
      const opened = await openPayment(deps, booking);
      return { resultId: opened.payment.id, answer: viewIntent(opened) };
    };
    return answerOnce(deps.db, {
      ctx,
      caller,
      // Keys of `create_payment_intent`, of an older release, keep the booking's id: they are claimed anew.
      operation: 'open_payment_intent',
      body,
      run,
      rebuild: async (paymentId) => viewIntent(await findOpenedPayment(deps, paymentId)),
    });
  });

  const retry = route({
    method: 'POST',
    path: '/api/staff/refunds/{id}/retry/',
    access: 'staff',
    tag: 'Payment',
    summary: 'Send a refund again that has not gone through',
    params: idParams,
    exampleParams: { id: '1' },
    status: 202,
    response: refundView,
    problems: ['refund_not_found', 'refund_not_retryable'],
  })(async ({ params, caller }) => {
    const refund = await retryRefund(deps.db, { refundId: params.id, actorId: caller.userId });
    const { id, status, amountMinor: amount_minor, createdAt } = refund;
    return viewRefund({ id, status, amount_minor, created_at: createdAt.toISOString() }, refund.currency);
  });

  return [open, retry];
}
