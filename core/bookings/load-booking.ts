import { ApplicationFailure } from '@temporalio/common';
import { readBookingState, type BookingState } from '../../db/booking-state.ts';
import type { Db } from '../../db/knex.ts';

/** Final: no retry brings the row back. */
export const bookingNotFound = (bookingRef: string) =>
  ApplicationFailure.nonRetryable(`no booking ${bookingRef}`, 'BookingNotFound');

/** @throws BookingNotFound */
export async function loadBooking(db: Db, bookingRef: string): Promise<BookingState> {
  const booking = await readBookingState(db, bookingRef);
  if (!booking) throw bookingNotFound(bookingRef);
  return booking;
}
