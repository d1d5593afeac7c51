import type { Knex } from 'knex';
import { countExactMax, integerMax } from '../../../domain/limits.ts';
import type { Db } from '../../../db/knex.ts';

export type Query = Knex.QueryBuilder;

/**
 * A list that staff can search, filter, sort and page through. All column names come from here; what a person types
 * only becomes a binding.
 */
export interface ListSource<Row> {
  /** The id's column, e.g. `b.id`, which breaks the ties of every sort. */
  id: string;
  /** The name of a sort → its column, which is of the table that `find` reads and never null. */
  sorts: Readonly<Record<string, string>>;
  /** The columns of the table itself, e.g. `b.*`. */
  columns: readonly string[];
  /** The rows that match, with nothing selected yet. Empty filters are absent. */
  find(db: Db, search: string, filters: Readonly<Record<string, string>>): Query;
  /** Joins other tables to the chosen rows (`page`) and selects their columns. */
  join?(page: Query): Query;
  /** Carries the type of a row; never set. */
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
    .select([...source.columns])
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
  const found: Listed<Row>[] = await (source.join?.(page) ?? page).orderBy([
    { column: 'page.sort_value', order },
    { column: 'page.row_id', order },
  ]);
  const rows = found.slice(0, limit);
  return { rows: backwards ? rows.reverse() : rows, more: found.length > limit };
}

/** Results of a search are counted up to this. A higher number would not help staff, who will search for more. */
const foundExactMax = 1_000;

/** How many rows match, counted up to 10,000, or up to 1,000 for a search. */
export async function countRows<Row>(
  db: Db,
  source: ListSource<Row>,
  request: Pick<ListRequest, 'search' | 'filters'>,
): Promise<{ count: number; exact: boolean }> {
  const max = request.search === '' ? countExactMax : foundExactMax;
  const sample = source
    .find(db, request.search, request.filters)
    .select(source.id)
    .limit(max + 1);
  const [counted] = await db.count<{ count: string }[]>('* as count').from(sample.as('sample'));
  const count = Number(counted?.count ?? 0);
  return { count: Math.min(count, max), exact: count <= max };
}

const batchRows = 500;

/** Every row that matches, in batches, so that memory and queries stay bounded however long the list is. */
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

/** A LIKE pattern for what begins with `text`, with LIKE's own characters escaped. */
export function beginsWith(text: string): string {
  return `${text.replace(/[\\%_]/g, '\\$&')}%`;
}

/** How a list looks up each kind of thing that staff may type into its search. */
export interface SearchRules {
  /** A number, with or without `#`. */
  id(query: Query, id: number): void;
  uuid?(query: Query, uuid: string): void;
  /** What Stripe's ids begin with (`pi_`) → how to find them. */
  stripeId?: Readonly<Record<string, (query: Query, stripeId: string) => void>>;
  /** Anything else. */
  text(query: Query, text: string): void;
}

/** Narrows the query to what was typed; an empty search leaves it as it is. */
export function applySearch(query: Query, search: string, rules: SearchRules): void {
  if (search === '') return;
  const id = idIn(search);
  if (id !== undefined) return rules.id(query, id);
  if (rules.uuid && isUuid(search)) return rules.uuid(query, search);
  const findStripeId = rules.stripeId?.[search.slice(0, 3)];
  if (findStripeId) return findStripeId(query, search);
  rules.text(query, search);
}

/** `12` or `#12` as an id; undefined for anything else. */
function idIn(search: string): number | undefined {
  const id = Number(/^#?([1-9]\d{0,9})$/.exec(search)?.[1]);
  return id <= integerMax ? id : undefined;
}

function isUuid(search: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(search);
}
