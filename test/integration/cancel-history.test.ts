import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Payments, startPayments } from './payment-kit.ts';

describe('a cancellation in the history of its workflow', () => {
  let payments: Payments;
  let connection: Connection;
  beforeAll(async () => {
    payments = await startPayments({ settings: { HOLD_MINUTES: '60' } });
    connection = await Connection.connect({ address: inject('temporal').address });
  });
  afterAll(async () => {
    await connection.close();
    await payments.system.stop();
  });

  test('I9 is accepted there before it is done, so that no dying server can forget it', async () => {
    const held = await payments.holdAndPay();
    expect((await payments.cancel(held.id)).status).toBe(200);
    const client = new Client({ connection, namespace: inject('temporal').namespace });
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
