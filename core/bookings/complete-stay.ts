import { setTimeout as sleep } from 'node:timers/promises';
import { completeStayIfOver } from '../../db/bookings.ts';
import type { BookingState } from '../../db/booking-state.ts';
import type { Db } from '../../db/knex.ts';
import { loadBooking } from './load-booking.ts';

/** An end that is this near is waited for. */
const nearMs = 2_000;

/**
 * Completes a confirmed booking whose end has passed.
 * @returns the booking as its row stands afterwards
 * @throws FinalFailure BookingNotFound
 */
export async function completeStay(
  db: Db,
  { bookingRef, actor }: { bookingRef: string; actor: string },
): Promise<BookingState> {
  const booking = await loadBooking(db, bookingRef);
  if (booking.status !== 'confirmed' || booking.endsInMs > nearMs) return booking;
  await sleep(booking.endsInMs);
  await completeStayIfOver(db, { bookingRef, actor });
  return loadBooking(db, bookingRef);
}
