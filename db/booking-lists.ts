import { type Model, type QueryBuilder, raw } from 'objection';
import type { BookingStatus } from '../domain/booking.ts';
import { countExactMax } from '../domain/limits.ts';
import type { BookingRow } from './bookings.ts';
import type { Db } from './knex.ts';
import { Booking, BookingListItem } from './models.ts';

export interface BookingFilter {
  userId?: number | undefined;
  roomId?: number | undefined;
  status?: BookingStatus | undefined;
  /** Dates on the rooms' calendars, `YYYY-MM-DD`, both included. */
  from?: string | undefined;
  to?: string | undefined;
}

/** The bookings that match, of the table or of the view that is shown. */
function filtered<Row extends Model>(all: QueryBuilder<Row>, filter: BookingFilter): QueryBuilder<Row> {
  const query = all.alias('b');
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
  const query = filtered(BookingListItem.query(db), filter)
    .select('b.*')
    .orderBy('b.id', 'desc')
    .limit(page.limit);
  if (page.beforeId !== undefined) query.where('b.id', '<', page.beforeId);
  return query.toKnexQuery();
}

/** How many match: exactly up to 10,000, above that the planner's estimate, which costs no scan. */
export async function countBookings(
  db: Db,
  filter: BookingFilter,
): Promise<{ count: number; exact: boolean }> {
  const some = filtered(Booking.query(db), filter)
    .select(raw('1'))
    .limit(countExactMax + 1)
    .toKnexQuery();
  const [counted] = await db.count<{ count: string }[]>('* as count').from(some.as('sample'));
  const count = Number(counted?.count ?? 0);
  if (count <= countExactMax) return { count, exact: true };
  const { sql, bindings } = filtered(Booking.query(db), filter).select(raw('1')).toKnexQuery().toSQL();
  const explained = await db.raw(`explain (format json) ${sql}`, bindings as never);
  const estimate: number = explained.rows[0]['QUERY PLAN'][0].Plan['Plan Rows'];
  return { count: Math.max(estimate, countExactMax + 1), exact: false };
}
