import { describe, expect, test } from 'vitest';
import { bookingStatuses, legalMoves } from '../../domain/booking.ts';

/** As decisions.md has it (I7), written once more so that a slip in the table shows. */
const legal = new Set([
  'pending → confirmed',
  'pending → expired',
  'pending → cancelled',
  'expired → confirmed',
  'confirmed → cancelled',
  'confirmed → completed',
]);
const pairs = bookingStatuses.flatMap((from) => bookingStatuses.map((to) => [from, to] as const));

describe('I7 the table of legal moves', () => {
  test.each(pairs)('%s → %s', (from, to) => {
    expect(legalMoves[from].includes(to)).toBe(legal.has(`${from} → ${to}`));
  });

  test('nothing comes back to pending, and what is over stays over', () => {
    expect(bookingStatuses.filter((from) => legalMoves[from].includes('pending'))).toEqual([]);
    expect([legalMoves.cancelled, legalMoves.completed]).toEqual([[], []]);
  });
});
