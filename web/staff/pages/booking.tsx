import { settleHold } from '../../../core/bookings/settle-hold.ts';
import { type BookingDetailRow, findBooking } from '../../../db/bookings.ts';
import { retryRefund } from '../../../core/payments/retry-refund.ts';
import { listBookingPayments, readTimeline, refundByStaff } from '../queries/booking-page.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import { confirmFirst, type Question } from '../confirm.tsx';
import { actorOf, goTo, idOf, type PanelRoute, respond, type PanelRequest } from '../panel-request.ts';
import {
  cancelQuestion,
  reasonCharsMax,
  refundQuestion,
  retryQuestion,
  settleQuestion,
} from './booking-questions.tsx';
import { BookingPage, isOverdue } from './booking-view.tsx';

/** How long a request waits for Stripe while it settles a hold; after that the workflow tries again. */
const settleWaitMs = 4_000;

/** A booking's page and what staff can do with it. Every action is confirmed first; a cancellation goes through the workflow. */
export function bookingPages(deps: WebDeps): PanelRoute[] {
  const bind =
    <T,>(step: (deps: WebDeps, request: PanelRequest) => Promise<T>) =>
    (request: PanelRequest) =>
      step(deps, request);
  return [
    { method: 'GET', path: '/bookings/:id', serve: bind(show) },
    ...confirmFirst('/bookings/:id/cancel', bind(askCancel), bind(cancel)),
    ...confirmFirst('/bookings/:id/settle', bind(askSettle), bind(settle)),
    ...confirmFirst('/bookings/:id/payments/:paymentId/refund', bind(askRefund), bind(refund)),
    ...confirmFirst('/bookings/:id/refunds/:refundId/retry', bind(askRetry), bind(retry)),
  ];
}

async function load({ db }: WebDeps, request: PanelRequest): Promise<BookingDetailRow> {
  const booking = await findBooking(db, idOf(request));
  if (!booking) throw new Problem('booking_not_found');
  return booking;
}

async function show(deps: WebDeps, request: PanelRequest): Promise<void> {
  const booking = await load(deps, request);
  const [payments, timeline] = await Promise.all([
    listBookingPayments(deps.db, booking.id),
    readTimeline(deps.db, booking.id),
  ]);
  const { uiUrl, namespace } = deps.config.temporal;
  const workflowUrl = (id: string) =>
    uiUrl && `${uiUrl.replace(/\/$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${id}`;
  respond(request.ctx, 200, <BookingPage {...{ request, booking, payments, timeline, workflowUrl }} />);
}

async function askCancel(deps: WebDeps, request: PanelRequest): Promise<Question> {
  return cancelQuestion(await load(deps, request));
}

async function cancel(deps: WebDeps, request: PanelRequest): Promise<void> {
  const booking = await load(deps, request);
  const refund = request.form['refund'] === 'yes';
  await deps.cancelBooking(booking, { callerId: request.staff.userId, byStaff: true, refund });
  goTo(request.ctx, `/admin/bookings/${booking.id}`, 'cancelled');
}

async function refund(deps: WebDeps, request: PanelRequest): Promise<void> {
  const booking = await load(deps, request);
  const reason = (request.form['reason'] ?? '').trim();
  if (reason === '' || reason.length > reasonCharsMax) {
    throw new Problem('invalid_request', {
      detail: `Give a reason of at most ${reasonCharsMax} characters.`,
    });
  }
  const decided = await refundByStaff(deps.db, {
    bookingRef: booking.ref,
    paymentId: idOf(request, 'paymentId'),
    actorId: request.staff.userId,
    reason,
  });
  if (!decided) throw new Problem('not_refundable');
  goTo(request.ctx, `/admin/bookings/${booking.id}`, 'refunded');
}

async function askRefund(deps: WebDeps, request: PanelRequest): Promise<Question> {
  const booking = await load(deps, request);
  const payments = await listBookingPayments(deps.db, booking.id);
  const payment = payments.find(({ id }) => id === idOf(request, 'paymentId'));
  if (!payment) throw new Problem('not_found');
  return refundQuestion(booking, payment, request.form['reason'] ?? '');
}

async function askRetry(deps: WebDeps, request: PanelRequest): Promise<Question> {
  return retryQuestion(await load(deps, request), idOf(request, 'refundId'));
}

async function retry(deps: WebDeps, request: PanelRequest): Promise<void> {
  const booking = await load(deps, request);
  const refundId = idOf(request, 'refundId');
  const payments = await listBookingPayments(deps.db, booking.id);
  if (!payments.some(({ refunds }) => refunds.some(({ id }) => id === refundId)))
    throw new Problem('not_found');
  const sent = await retryRefund(deps.db, { refundId, actorId: request.staff.userId });
  goTo(request.ctx, `/admin/bookings/${booking.id}`, sent.status === 'parked' ? 'parked' : 'refunded');
}

async function askSettle(deps: WebDeps, request: PanelRequest): Promise<Question> {
  return settleQuestion(await load(deps, request));
}

async function settle(deps: WebDeps, request: PanelRequest): Promise<void> {
  const booking = await load(deps, request);
  if (!isOverdue(booking)) throw new Problem('not_overdue');
  const state = await settleHold(deps, {
    bookingRef: booking.ref,
    actor: actorOf(request),
    waitMs: settleWaitMs,
  });
  const done = state?.status === 'pending' ? 'waiting' : 'settled';
  goTo(request.ctx, `/admin/bookings/${booking.id}`, done);
}
