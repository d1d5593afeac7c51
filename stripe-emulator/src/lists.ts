import { resourceMissing } from './errors.ts';
import { integer, listOf, range, text } from './params.ts';

/** The parameters of every list (https://docs.stripe.com/api/pagination). */
export const listShape = {
  limit: integer(1, 100),
  starting_after: text(),
  ending_before: text(),
  created: range,
  expand: listOf(text()),
};

interface ListParams {
  limit?: number;
  starting_after?: string | null;
  ending_before?: string | null;
  created?: { gt?: number; gte?: number; lt?: number; lte?: number };
}

/** A page of `rows`, which are oldest first as the tables keep them, newest first as Stripe answers. */
export function pageOf<T extends { id: string; created: number }>(
  rows: readonly T[],
  params: ListParams,
  url: string,
  noun: string,
  matches: (row: T) => boolean = () => true,
): { object: 'list'; data: T[]; has_more: boolean; url: string } {
  const limit = params.limit ?? 10;
  const { gt = -1, gte = 0, lt = Infinity, lte = Infinity } = params.created ?? {};
  const wanted = (row: T) =>
    row.created > gt && row.created >= gte && row.created < lt && row.created <= lte && matches(row);

  // `ending_before` walks from that row towards the newest, everything else towards the oldest.
  const towardsNewest = params.ending_before != null;
  const cursor = params.ending_before ?? params.starting_after;
  const step = towardsNewest ? 1 : -1;
  let at = rows.length - 1;
  if (cursor != null) {
    at = rows.findIndex((row) => row.id === cursor);
    if (at === -1)
      throw resourceMissing(noun, cursor, towardsNewest ? 'ending_before' : 'starting_after', 400);
    at += step;
  }
  const found: T[] = [];
  for (; at >= 0 && at < rows.length && found.length <= limit; at += step) {
    const row = rows[at];
    if (row && wanted(row)) found.push(row);
  }
  const data = found.slice(0, limit);
  if (towardsNewest) data.reverse();
  return { object: 'list', data, has_more: found.length > limit, url };
}
