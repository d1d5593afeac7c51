import { randomUUID } from 'node:crypto';
import { lockBooking } from '../../db/bookings.ts';
import { type Db, rows } from '../../db/knex.ts';
import { insertRefund, listRefunds } from '../../db/refunds.ts';
import { noteStaffEvent } from '../../db/staff-events.ts';
import { Problem } from '../../domain/problems.ts';
import { retryRefund } from './retry-refund.ts';

/**
 * Refunds all money of a cancelled booking on staff's request: what a late cancellation kept, and refunds that Stripe has
 * refused or a bank has returned. Money that is on its way, or has arrived, is left alone.
 * @returns `isWaiting` when a refund waits for the end of a dispute and is not sent now
 */
export async function refundCancelled(
  db: Db,
  { bookingRef, actorId }: { bookingRef: string; actorId: number },
): Promise<{ isWaiting: boolean }> {
  return db.transaction(async (trx) => {
    const locked = await lockBooking(trx, bookingRef);
    if (locked?.status !== 'cancelled') return { isWaiting: false };
    const refunds = await listRefunds(trx, locked.id);
    const again = refunds.filter(
      ({ status, retried }) => status === 'refused' || (status === 'failed' && !retried),
    );
    for (const { id } of again) await retryRefund(trx, { refundId: id, actorId }).catch(ignoreRefusal);
    if (await refundWhatIsLeft(trx, locked.id)) {
      const detail = 'The booking had been cancelled too late for its money to go back.';
      const subject = { subjectKind: 'booking', subjectId: locked.id } as const;
      await noteStaffEvent(trx, { ...subject, actorId, action: 'refunded', detail });
    }
    const after = await listRefunds(trx, locked.id);
    return { isWaiting: after.some(({ status }) => status === 'parked') };
  });
}

/** A refund that cannot be retried does not keep the others from being retried. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof Problem)) throw error;
}

/** @returns whether anything was left */
async function refundWhatIsLeft(trx: Db, bookingId: number): Promise<boolean> {
  const paid = await rows<{ id: number }>(
    trx,
    "select id from payments where booking_id = ? and status = 'succeeded' order by id for no key update",
    [bookingId],
  );
  let decided = false;
  for (const { id } of paid) {
    const made = await insertRefund(trx, { paymentId: id, reason: `staff:${randomUUID()}` });
    decided ||= made !== undefined;
  }
  return decided;
}
