import type { BookingFact, Evidence } from './facts.ts';

/** A time in which a booking held its slot. */
interface Span {
  booking: BookingFact;
  /** Times in µs at which others could first, and at the latest could last, see the booking in its slot. */
  since: number;
  until: number;
}

export const holdsSlot = (status: string) => status === 'pending' || status === 'confirmed';

/** When each booking held its slot: an expired one that was confirmed late held it twice. */
export function spansOf({ bookings, moves }: Evidence): Span[] {
  const byId = new Map(bookings.map((booking) => [booking.id, booking]));
  const spans: Span[] = [];
  const open = new Map<number, Span>();
  for (const move of moves) {
    const booking = byId.get(move.bookingId);
    const span = open.get(move.bookingId);
    if (!booking) continue;
    if (!span && holdsSlot(move.toStatus)) {
      const begun = { booking, since: move.at, until: Number.POSITIVE_INFINITY };
      open.set(move.bookingId, begun);
      spans.push(begun);
    } else if (span && !holdsSlot(move.toStatus)) {
      span.until = move.committedAt;
      open.delete(move.bookingId);
    }
  }
  return spans;
}

/** The items by a key of each, in their order. */
export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
