import { type Db, rows } from './knex.ts';

/** The questions of `/metrics`. All of them are answered by an index or by a few rows. */

export interface Count {
  name: string;
  count: number;
}

/** Open flags, by kind. */
export function countOpenFlags(db: Db): Promise<Count[]> {
  return rows(
    db,
    'select kind as name, count(*)::int as count from flags where resolved_at is null group by 1',
  );
}

/** Refunds that are not done, by status. */
export function countOpenRefunds(db: Db): Promise<Count[]> {
  return rows(
    db,
    `select status as name, count(*)::int as count from refunds
      where status in ('pending', 'parked', 'refused', 'submitted', 'failed') group by 1`,
  );
}

/** Holds whose end is later than it should be; one that is kept while Stripe says `processing` is not. */
export async function countOverdueHolds(db: Db, lateMs: number): Promise<number> {
  const [late] = await rows<{ count: number }>(
    db,
    `select count(*)::int as count from bookings b
      where is_overdue(b, (select clock_timestamp() - ? * interval '1 millisecond'))`,
    [lateMs],
  );
  return late?.count ?? 0;
}

/** Reads the moves that were noted since it was called last: the audit is append-only, so nothing is counted twice. */
export function createMoveReader(db: Db) {
  let after: string | undefined;
  return async (): Promise<{ to: string; cause: string; count: number }[]> => {
    const [newest] = await rows<{ id: string | null }>(db, 'select max(id) as id from booking_events');
    const from = after;
    after = newest?.id ?? '0';
    if (from === undefined || from === after) return [];
    return rows(
      db,
      `select to_status as "to", cause, count(*)::int as count from booking_events
        where id > ? and id <= ? and from_status is distinct from to_status group by 1, 2`,
      [from, after],
    );
  };
}
