import type { Context } from 'koa';
import { z } from 'zod';
import type { ListRequest, Position } from './queries/list.ts';
import { fieldProblem, Problem } from '../../domain/problems.ts';
import { date, id, idText, text } from '../../http/schemas.ts';

export interface Choice {
  value: string;
  label: string;
}

/** A filter beside the search: one of several values, text, a date, or an id, which only links set. */
export type Filter =
  | { kind: 'choice'; name: string; label: string; choices: readonly Choice[] }
  | { kind: 'text'; name: string; label: string }
  | { kind: 'date'; name: string; label: string }
  | { kind: 'id'; name: string; label: string };

export interface ListRules {
  sorts: Readonly<Record<string, string>>;
  filters: readonly Filter[];
  sort: { key: string; descending: boolean };
}

const searchText = text(254).transform((value) => value.trim());
const cursorShape = z.tuple([z.string().max(300), id]);

/**
 * Reads the query string of a list. Only the list's own sorts and filters are accepted.
 * @throws Problem invalid_request, invalid_cursor
 */
export function readListQuery(ctx: Context, rules: ListRules): Omit<ListRequest, 'limit'> {
  const query = Object.fromEntries(new URLSearchParams(ctx.querystring));
  const sort = query['sort'] || rules.sort.key;
  if (!Object.hasOwn(rules.sorts, sort))
    throw fieldProblem('invalid_request', 'sort', 'This list cannot be sorted that way.');
  const order = query['order'] || (sort === rules.sort.key && rules.sort.descending ? 'desc' : 'asc');
  if (order !== 'asc' && order !== 'desc') throw fieldProblem('invalid_request', 'order', 'Use asc or desc.');
  const search = searchText.safeParse(query['q'] ?? '');
  if (!search.success)
    throw fieldProblem('invalid_request', 'q', 'The search is too long or contains invalid characters.');
  const filters: Record<string, string> = {};
  for (const filter of rules.filters) {
    const value = query[filter.name];
    if (!value) continue;
    if (!fits(filter, value))
      throw fieldProblem('invalid_request', filter.name, `${filter.label}: not a valid value.`);
    filters[filter.name] = value;
  }
  return {
    sort,
    descending: order === 'desc',
    search: search.data,
    filters,
    position: positionOf('after', query['after']) ?? positionOf('before', query['before']),
  };
}

function fits(filter: Filter, value: string): boolean {
  switch (filter.kind) {
    case 'choice':
      return filter.choices.some((choice) => choice.value === value);
    case 'text':
      return searchText.safeParse(value).success;
    case 'date':
      return date.safeParse(value).success;
    case 'id':
      return idText.safeParse(value).success;
  }
}

export function cursorOf(row: { sort_value: string | number; row_id: number }): string {
  return Buffer.from(JSON.stringify([String(row.sort_value), row.row_id])).toString('base64url');
}

function positionOf(side: Position['side'], cursor: string | undefined): Position | undefined {
  if (!cursor) return undefined;
  const parsed = cursorShape.safeParse(parseJson(Buffer.from(cursor, 'base64url').toString()));
  if (cursor.length > 600 || !parsed.success) throw new Problem('invalid_cursor');
  const [value, id] = parsed.data;
  return { side, value, id };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** The address of the same list with some parameters changed, from its first page unless `change` has a cursor. */
export function listAddress(
  path: string,
  request: Omit<ListRequest, 'limit'>,
  change: Record<string, string>,
) {
  const { sort, descending, search, filters } = request;
  const query = new URLSearchParams({
    ...(search && { q: search }),
    ...filters,
    sort,
    order: descending ? 'desc' : 'asc',
    ...change,
  });
  return `${path}?${query}`;
}
