import { type BookingDetailRow, findBooking } from '../db/bookings.ts';
import { type BookingFilter, countBookings, listBookings } from '../db/booking-lists.ts';
import { Problem } from '../domain/problems.ts';
import type { Deps } from './deps.ts';
import { idCursor } from '../http/id-cursor.ts';
import type { Caller } from '../http/route.ts';
import { viewBookingItem } from './views.ts';

/** The booking, if the caller may see it; otherwise it does not exist, whoever owns it. */
export async function loadBookingFor(
  { db }: Deps,
  caller: Caller,
  bookingId: number,
): Promise<BookingDetailRow> {
  const booking = await findBooking(db, bookingId);
  if (booking && (booking.user_id === caller.userId || caller.isStaff)) return booking;
  throw new Problem('booking_not_found');
}

const cursors = idCursor('before');

/** One page of a list, its count, and where the next page begins. */
export async function answerPage(
  { db }: Deps,
  query: BookingFilter & { limit: number; cursor?: string | undefined },
) {
  const { limit, cursor, ...filter } = query;
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
