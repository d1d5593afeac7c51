import { continueAsNew } from '@temporalio/workflow';
import type { BookingStatus } from '../domain/booking.ts';
import { openDesk } from './inbox.ts';
import { liveBooking } from './booking-lifecycle.ts';
import type { LatePaymentInput } from './messages.ts';
import { databaseSteps } from './steps.ts';

/**
 * Money for a booking whose workflow has ended: the booking is confirmed after all if its slot is still free,
 * otherwise the money goes back. If it confirms, this workflow owns the booking from here to the end of the stay.
 */
export async function latePaymentWorkflow({ news = [], ...first }: LatePaymentInput): Promise<BookingStatus> {
  const { bookingRef } = first;
  const desk = openDesk(bookingRef, [first, ...news]);
  const booking = await databaseSteps.loadBooking({ bookingRef });
  const { status, isOver } = await liveBooking(desk, booking);
  if (isOver) return status;
  return continueAsNew<typeof latePaymentWorkflow>({ ...first, news: desk.unreadNews() });
}
