import { LRUCache } from 'lru-cache';
import { readBookingState } from '../../db/booking-state.ts';
import type { Db } from '../../db/knex.ts';
import type { Message } from '../../db/outbox.ts';
import { OrphanError } from './grpc-errors.ts';
import type { WorkflowClient } from './workflow-client.ts';

/** Bookings that are remembered because a payment has started their workflow. */
const startedMax = 10_000;

/**
 * Hands one message to Temporal. A start that was written before a payment message of the same booking is not sent:
 * the payment has started the workflow already. That spares one call for each booking that is paid at once.
 * @throws OrphanError when the booking is not in this database; a gRPC error when Temporal did not take the message
 */
export function createDelivery(db: Db, workflows: WorkflowClient) {
  /** By booking, the id of the message that has started its workflow. */
  const startedBy = new LRUCache<string, number>({ max: startedMax });

  return async function deliver(message: Message & { id: string }): Promise<void> {
    const { bookingRef } = message.payload;
    switch (message.topic) {
      case 'start_booking':
        // A start with a higher id was written later, as a repair, and is sent.
        if ((startedBy.get(bookingRef) ?? 0) > Number(message.id)) return;
        return workflows.startBooking(bookingRef, message.payload.summary);
      case 'booking_changed':
        return workflows.signalChange(message.payload);
      case 'payment':
        // Noted before the call: if the call fails, the payment message stays in the outbox and is sent again.
        startedBy.set(bookingRef, Number(message.id));
        return workflows.signalPayment(message.payload, message.id);
      case 'refund':
        return workflows.startRefund(message.payload, message.id);
      case 'orphan_payment':
        if (!(await readBookingState(db, bookingRef))) throw new OrphanError(`no booking ${bookingRef}`);
        return workflows.signalPayment(message.payload, message.id);
    }
  };
}
