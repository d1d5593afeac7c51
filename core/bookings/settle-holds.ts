import PQueue from 'p-queue';
import type { BookingStatus } from '../../domain/booking.ts';
import { settleBoundMs } from '../../domain/limits.ts';
import { type SettleDeps, settleHoldWithin } from './settle-hold.ts';

/** A caller that settles many holds settles at most this many at once, so that single requests still get a connection. */
const atOnceMax = 4;

/**
 * Settles many overdue holds, a few at a time, until `totalMs` is over.
 * @returns the status of each, in their order; `pending` where it was not begun in time, or could not be settled
 */
export function settleHolds(
  deps: SettleDeps,
  bookingRefs: readonly string[],
  { actor, totalMs }: { actor: string; totalMs: number },
): Promise<BookingStatus[]> {
  const endsAt = Date.now() + totalMs;
  const queue = new PQueue({ concurrency: atOnceMax });
  return queue.addAll(
    bookingRefs.map((bookingRef) => async () => {
      const waitMs = Math.min(settleBoundMs, endsAt - Date.now());
      if (waitMs <= 0) return 'pending';
      const settled = await settleHoldWithin(deps, { bookingRef, actor, waitMs }).catch(() => undefined);
      return settled?.status ?? 'pending';
    }),
  );
}
