import { type BookingFilter, countBookings, listBookings } from '../db/booking-lists.ts';
import { type BookingDetailRow, findBooking } from '../db/bookings.ts';
import { Problem } from '../domain/problems.ts';
import type { Caller } from '../http/auth/caller.ts';
import { idCursor } from '../http/id-cursor.ts';
import type { Deps } from './deps.ts';
import { viewBookingItem } from './views.ts';

/**
 * Reads a booking that the caller may see: their own, or any for staff.
 * @throws Problem booking_not_found, also for the booking of another user
 */
export async function readBookingFor(
  { db }: Pick<Deps, 'db'>,
  caller: Caller,
  bookingId: number,
): Promise<BookingDetailRow> {
  const booking = await findBooking(db, bookingId);
  if (booking && (booking.user_id === caller.userId || caller.isStaff)) return booking;
  throw new Problem('booking_not_found');
}

const cursors = idCursor('before');

type PageQuery = BookingFilter & { limit: number; cursor?: string | undefined };

/**
 * One page of a list of bookings, latest first, with the length of the list and the cursor of the next page.
 * @throws Problem invalid_cursor
 */
export async function readBookingPage({ db }: Pick<Deps, 'db'>, { limit, cursor, ...filter }: PageQuery) {
  const beforeId = cursor === undefined ? undefined : cursors.read(cursor);
  const [found, { count, exact }] = await Promise.all([
    listBookings(db, filter, { limit: limit + 1, beforeId }),
    countBookings(db, filter),
  ]);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    count,
    count_exact: exact,
    bookings: page.map(viewBookingItem),
    next: found.length > limit && last ? cursors.write(last.id) : null,
  };
}
