import type { BookingStatus } from '../domain/booking.ts';
import { openDesk } from './inbox.ts';
import { liveBooking } from './booking-lifecycle.ts';
import type { BookingInput } from './messages.ts';
import { databaseSteps } from './steps.ts';

/**
 * One booking: holds the slot until it is paid or its deadline passes, then waits for the end of the stay or a
 * cancellation. It begins by reading the row, so a run that replaces a lost one goes on where the booking stands.
 */
export async function bookingWorkflow({ bookingRef }: BookingInput): Promise<BookingStatus> {
  const desk = openDesk(bookingRef);
  const booking = await databaseSteps.loadBooking({ bookingRef });
  const { status } = await liveBooking(desk, booking);
  return status;
}
