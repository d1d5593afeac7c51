import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useTemporal } from '../setup/temporal.ts';
import { type Payments, startPayments } from './payment-kit.ts';

describe('a cancellation in the history of its workflow', () => {
  let payments: Payments;
  const client = useTemporal();
  beforeAll(async () => {
    payments = await startPayments({ settings: { HOLD_MINUTES: '60' } });
  });
  afterAll(async () => {
    await payments.stop();
  });

  test('I9 is accepted there before it is done, so that no dying server can forget it', async () => {
    const held = await payments.holdAndPay();
    expect((await payments.cancel(held.id)).status).toBe(200);
    const { events = [] } = await client.workflow.getHandle(`booking-${held.ref}`).fetchHistory();
    const accepted = events?.findIndex((event) => event.workflowExecutionUpdateAcceptedEventAttributes) ?? -1;
    const scheduled =
      events?.findIndex(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'cancelBooking',
      ) ?? -1;
    const completed =
      events?.findIndex(
        (event) =>
          String(event.activityTaskCompletedEventAttributes?.scheduledEventId) === String(scheduled + 1),
      ) ?? -1;
    expect(accepted).toBeGreaterThan(0);
    expect(scheduled).toBeGreaterThan(0);
    expect(completed).toBeGreaterThan(accepted);
  });
});
