import type { Knex } from 'knex';
import { countExactMax, integerMax } from '../../../domain/limits.ts';
import type { Db } from '../../../db/knex.ts';

type Query = Knex.QueryBuilder;

/**
 * A list that staff can search, filter, sort and page through. Everything that names a column is in the source;
 * what a person types only ever becomes a binding.
 */
export interface ListSource<Row> {
  /** The column of the id, e.g. `b.id`: the tie-break of every sort. */
  id: string;
  /** What can be sorted by → its column, of the table that `find` reads, never null. */
  sorts: Readonly<Record<string, string>>;
  /** Its own columns, e.g. `b.*`. */
  own: readonly string[];
  /** The rows that match, nothing selected yet. Empty filters are absent. */
  find(db: Db, search: string, filters: Readonly<Record<string, string>>): Query;
  /** Joins to the chosen rows (`page`) what a person wants to read of other tables, and selects it. */
  dress?(page: Query): Query;
  /** Only for the type of a row. */
  row?: Row;
}

/** Where a page begins: after (or before) the row with this sort value and id. */
export interface Position {
  side: 'after' | 'before';
  value: string;
  id: number;
}

export interface ListRequest {
  sort: string;
  descending: boolean;
  search: string;
  filters: Readonly<Record<string, string>>;
  position?: Position | undefined;
  limit: number;
}

export type Listed<Row> = Row & { row_id: number; sort_value: string | number };

/**
 * One page, in the asked order. The rows are chosen first, by index where there is one, and joined afterwards, so
 * that a page costs the same wherever it is.
 * @returns up to `limit` rows, and whether there are more in the direction of the position
 */
export async function readPage<Row>(
  db: Db,
  source: ListSource<Row>,
  request: ListRequest,
): Promise<{ rows: Listed<Row>[]; more: boolean }> {
  const { position, limit } = request;
  const column = source.sorts[request.sort];
  if (!column) throw new TypeError(`no sort ${request.sort}`);
  const backwards = position?.side === 'before';
  const order = request.descending !== backwards ? 'desc' : 'asc';
  const chosen = source
    .find(db, request.search, request.filters)
    .select({ row_id: source.id, sort_value: column })
    .select([...source.own])
    .orderBy([
      { column, order },
      { column: source.id, order },
    ])
    .limit(limit + 1);
  if (position) {
    const { value, id } = position;
    if (order === 'desc') chosen.whereRaw('(??, ??) < (?, ?)', [column, source.id, value, id]);
    else chosen.whereRaw('(??, ??) > (?, ?)', [column, source.id, value, id]);
  }
  const page = db.queryBuilder().from(chosen.as('page')).select('page.*');
  const found: Listed<Row>[] = await (source.dress?.(page) ?? page).orderBy([
    { column: 'page.sort_value', order },
    { column: 'page.row_id', order },
  ]);
  const rows = found.slice(0, limit);
  return { rows: backwards ? rows.reverse() : rows, more: found.length > limit };
}

/** What a search finds is counted no further than this: a long prefix matches few, a short one too many to help. */
const foundExactMax = 1_000;

/** How many rows match, counted to 10,000 (of a search: 1,000) and no further. */
export async function countRows<Row>(
  db: Db,
  source: ListSource<Row>,
  request: Pick<ListRequest, 'search' | 'filters'>,
): Promise<{ count: number; exact: boolean }> {
  const max = request.search === '' ? countExactMax : foundExactMax;
  const some = source
    .find(db, request.search, request.filters)
    .select(source.id)
    .limit(max + 1);
  const [counted] = await db.count<{ count: string }[]>('* as count').from(some.as('sample'));
  const count = Number(counted?.count ?? 0);
  return { count: Math.min(count, max), exact: count <= max };
}

const batchRows = 500;

/** Every row that matches, a batch at a time: memory and each query stay bounded, however long the list is. */
export async function* readAll<Row>(
  db: Db,
  source: ListSource<Row>,
  request: Omit<ListRequest, 'limit' | 'position'>,
): AsyncGenerator<Listed<Row>[]> {
  let position: Position | undefined;
  for (;;) {
    const { rows, more } = await readPage(db, source, { ...request, position, limit: batchRows });
    yield rows;
    const last = rows.at(-1);
    if (!more || !last) return;
    position = { side: 'after', value: String(last.sort_value), id: last.row_id };
  }
}

/** A LIKE pattern for what begins with `text`, whatever signs are in it. */
export function beginsWith(text: string): string {
  return `${text.replace(/[\\%_]/g, '\\$&')}%`;
}

/** `12` or `#12` as an id; undefined for anything else. */
export function idIn(search: string): number | undefined {
  const id = Number(/^#?([1-9]\d{0,9})$/.exec(search)?.[1]);
  return id <= integerMax ? id : undefined;
}

export function isUuid(search: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(search);
}
