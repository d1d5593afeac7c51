import { type QueryBuilder, raw } from 'objection';
import type { BookingStatus } from '../domain/booking.ts';
import { countExactMax } from '../domain/limits.ts';
import { bookingColumns, type BookingRow } from './bookings.ts';
import type { Db } from './knex.ts';
import { Booking } from './models.ts';

export interface BookingFilter {
  userId?: number | undefined;
  roomId?: number | undefined;
  status?: BookingStatus | undefined;
  /** Dates on the rooms' calendars, `YYYY-MM-DD`, both included. */
  from?: string | undefined;
  to?: string | undefined;
}

function filtered(db: Db, filter: BookingFilter): QueryBuilder<Booking, Booking[]> {
  const query = Booking.query(db).alias('b');
  if (filter.userId !== undefined) query.where('b.user_id', filter.userId);
  if (filter.roomId !== undefined) query.where('b.room_id', filter.roomId);
  if (filter.status !== undefined) query.where('b.status', filter.status);
  if (filter.from !== undefined) query.where('b.booking_date', '>=', filter.from);
  if (filter.to !== undefined) query.where('b.booking_date', '<=', filter.to);
  return query;
}

/** A page, newest first: the bookings before `beforeId`. A deep page costs what the first costs. */
export function listBookings(
  db: Db,
  filter: BookingFilter,
  page: { limit: number; beforeId?: number | undefined },
): Promise<BookingRow[]> {
  const query = filtered(db, filter)
    .joinRelated('user', { alias: 'u' })
    .joinRelated('room', { alias: 'r' })
    .select(raw(bookingColumns))
    .orderBy('b.id', 'desc')
    .limit(page.limit);
  if (page.beforeId !== undefined) query.where('b.id', '<', page.beforeId);
  return query.toKnexQuery() as unknown as Promise<BookingRow[]>;
}

/** How many match: exactly up to 10,000, above that the planner's estimate, which costs no scan. */
export async function countBookings(
  db: Db,
  filter: BookingFilter,
): Promise<{ count: number; exact: boolean }> {
  const some = filtered(db, filter)
    .select(raw('1'))
    .limit(countExactMax + 1)
    .toKnexQuery();
  const [counted] = await db.count<{ count: string }[]>('* as count').from(some.as('sample'));
  const count = Number(counted?.count ?? 0);
  if (count <= countExactMax) return { count, exact: true };
  const { sql, bindings } = filtered(db, filter).select(raw('1')).toKnexQuery().toSQL();
  const explained = await db.raw(`explain (format json) ${sql}`, bindings as never);
  const estimate: number = explained.rows[0]['QUERY PLAN'][0].Plan['Plan Rows'];
  return { count: Math.max(estimate, countExactMax + 1), exact: false };
}
