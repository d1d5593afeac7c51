import { continueAsNew } from '@temporalio/workflow';
import type { BookingStatus } from '../domain/booking.ts';
import { runBooking } from './booking-lifecycle.ts';
import { openInbox } from './inbox.ts';
import type { LatePaymentInput } from './messages.ts';
import { databaseSteps } from './steps.ts';

/**
 * A payment for a booking whose workflow has ended: the booking is confirmed after all if its slot is still free,
 * otherwise the money goes back. If it confirms, this workflow owns the booking from here to the end of the stay.
 */
export async function latePaymentWorkflow(input: LatePaymentInput): Promise<BookingStatus> {
  const { unhandled = [], ...first } = input;
  const { bookingRef } = first;
  const inbox = openInbox(bookingRef, [first, ...unhandled]);
  const booking = await databaseSteps.loadBooking({ bookingRef });
  const { status, isOver } = await runBooking(inbox, booking);
  if (isOver) return status;
  return continueAsNew<typeof latePaymentWorkflow>({ ...first, unhandled: inbox.unhandledEvents() });
}
