import { continueAsNew } from '@temporalio/workflow';
import type { BookingStatus } from '../domain/booking.ts';
import { runBooking } from './booking-lifecycle.ts';
import { openInbox } from './inbox.ts';
import type { BookingInput } from './messages.ts';
import { databaseSteps } from './steps.ts';

/**
 * One booking: holds the slot until it is paid or its deadline passes, then waits for the end of the stay or a
 * cancellation. It begins by reading the row, so that a run which replaces a lost one, or follows one with a long history,
 * goes on where the booking stands.
 */
export async function bookingWorkflow({ bookingRef, unhandled = [] }: BookingInput): Promise<BookingStatus> {
  const inbox = openInbox(bookingRef, unhandled);
  const booking = await databaseSteps.loadBooking({ bookingRef });
  const { status, isOver } = await runBooking(inbox, booking);
  if (isOver) return status;
  return continueAsNew<typeof bookingWorkflow>({ bookingRef, unhandled: inbox.unhandledEvents() });
}
