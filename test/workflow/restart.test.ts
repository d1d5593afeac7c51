import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import { minuteMs, eventOf, openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ testServerPath: inject('temporalTestServerPath'), cache: false });
});
afterAll(() => stage.close());

describe('without a worker for a while', () => {
  test('M5: an event in the same workflow task as the timer is handled before the hold is settled', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    await stage.sleep(minuteMs);
    await stage.stopWorker();
    // The timer fires; its task waits for a worker, and with it the clock, so the sleep ends just behind it.
    await stage.sleep(booking.holdExpiresAtMs - (await stage.now()) + 50);
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    await stage.startWorker();
    expect(await handle.result()).toBe('completed');
    expect(stage.fake.count('settleHold', booking.ref)).toBe(0);
  });

  test('a worker that is replaced in the middle goes on from the history', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    await stage.sleep(minuteMs);
    await stage.stopWorker();
    await stage.startWorker();
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    await expect.poll(() => booking.status).toBe('confirmed');
    await stage.stopWorker();
    await stage.startWorker();
    expect(await handle.result()).toBe('completed');
    expect(stage.fake.count('loadBooking', booking.ref)).toBe(1);
    const { events } = await handle.fetchHistory();
    expect(events?.some((event) => event.workflowTaskFailedEventAttributes)).toBe(false);
  });
});
