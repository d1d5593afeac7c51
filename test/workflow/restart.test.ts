import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import { minuteMs, eventOf, startHarness, type WorkflowHarness } from './harness.ts';

let harness: WorkflowHarness;
beforeAll(async () => {
  harness = await startHarness({ testServerPath: inject('temporalTestServerPath'), cache: false });
});
afterAll(() => harness.close());

describe('without a worker for a while', () => {
  test('M5: an event in the same workflow task as the timer is handled before the hold is settled', async () => {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking);
    const handle = await harness.start(booking);
    await harness.sleep(minuteMs);
    await harness.stopWorker();
    // The timer fires; its task waits for a worker, and with it the clock, so the sleep ends just behind it.
    await harness.sleep(booking.holdExpiresAtMs - (await harness.now()) + 50);
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    await harness.startWorker();
    expect(await handle.result()).toBe('completed');
    expect(harness.fake.count('settleHold', booking.ref)).toBe(0);
  });

  test('a worker that is replaced in the middle goes on from the history', async () => {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking);
    const handle = await harness.start(booking);
    await harness.sleep(minuteMs);
    await harness.stopWorker();
    await harness.startWorker();
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    await expect.poll(() => booking.status).toBe('confirmed');
    await harness.stopWorker();
    await harness.startWorker();
    expect(await handle.result()).toBe('completed');
    expect(harness.fake.count('loadBooking', booking.ref)).toBe(1);
    const { events } = await handle.fetchHistory();
    expect(events?.some((event) => event.workflowTaskFailedEventAttributes)).toBe(false);
  });
});
