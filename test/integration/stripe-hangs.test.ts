import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import { bookingWorkflowId } from '../../domain/workflow-ids.ts';
import { useTemporal } from '../setup/temporal.ts';
import { type Payments, startPayments } from './payment-kit.ts';

/** More than a worker has places for. */
const stuckCount = 110;

describe('while Stripe hangs and more dead holds wait for it than a worker has places', {
  timeout: 90_000,
}, () => {
  let payments: Payments;
  const { workflow } = useTemporal();
  beforeAll(async () => {
    payments = await startPayments({ settings: { HOLD_MINUTES: '60', LIMIT_OPEN_HOLDS: '0' } });
  });
  afterAll(async () => {
    await payments.stop();
  });

  test('cancellations of other bookings are answered', async () => {
    const others = [await payments.holdAndPay(), await payments.holdAndPay()];
    const stuck = await Promise.all(Array.from({ length: stuckCount }, () => payments.holdToPay()));
    await payments.untilCarried();
    await payments.control.failNext({ kind: 'timeout', count: 100_000, match: { path: '/cancel$' } });
    // As if each had expired in the silence of Stripe; any payment event lets its workflow look, and go on closing.
    await rows(payments.db, "update bookings set status = 'expired' where status = 'pending'");
    await Promise.all(
      stuck.map(({ ref: bookingRef, intentId }) =>
        workflow
          .getHandle(bookingWorkflowId(bookingRef))
          .signal(paymentReceivedSignal, { bookingRef, intentId, verify: false }),
      ),
    );
    for (const { id } of others) {
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      const { status } = await payments.call('POST', `/api/bookings/${id}/cancel/`, {
        token: payments.guest.token,
      });
      expect(status).toBe(200);
    }
    await payments.control.clearFaults();
  });
});
