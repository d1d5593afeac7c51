import { continueAsNew } from '@temporalio/workflow';
import type { BookingStatus } from '../domain/booking.ts';
import { openDesk } from './inbox.ts';
import { liveBooking } from './booking-lifecycle.ts';
import type { BookingInput } from './messages.ts';
import { databaseSteps } from './steps.ts';

/**
 * One booking: holds the slot until it is paid or its deadline passes, then waits for the end of the stay or a
 * cancellation. It begins by reading the row, so a run that replaces a lost one goes on where the booking stands, and so
 * does one that follows a run with a long history.
 */
export async function bookingWorkflow({ bookingRef, news = [] }: BookingInput): Promise<BookingStatus> {
  const desk = openDesk(bookingRef, news);
  const booking = await databaseSteps.loadBooking({ bookingRef });
  const { status, isOver } = await liveBooking(desk, booking);
  if (isOver) return status;
  return continueAsNew<typeof bookingWorkflow>({ bookingRef, news: desk.unreadNews() });
}
