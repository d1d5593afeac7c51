import { readBookingState, type BookingState } from '../../db/booking-state.ts';
import type { Db } from '../../db/knex.ts';
import { FinalFailure } from '../failures.ts';

export const bookingNotFound = (bookingRef: string) =>
  new FinalFailure('BookingNotFound', `no booking ${bookingRef}`);

/** @throws FinalFailure BookingNotFound */
export async function loadBooking(db: Db, bookingRef: string): Promise<BookingState> {
  const booking = await readBookingState(db, bookingRef);
  if (!booking) throw bookingNotFound(bookingRef);
  return booking;
}
