import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import { bundleOtherRelease } from './other-release.ts';
import { byGuest, hourMs, eventOf, startHarness, type WorkflowHarness } from './harness.ts';

let harness: WorkflowHarness;
beforeAll(async () => {
  const code = await bundleOtherRelease('short-runs');
  harness = await startHarness({ testServerPath: inject('temporalTestServerPath'), code });
});
afterAll(() => harness.close());

test('a booking whose history grows long goes on in another run, with what it has not read', async () => {
  const booking = await harness.newBooking();
  const doubtful = harness.newPayment(booking);
  const handle = await harness.start(booking);
  const first = (await handle.describe()).runId;
  for (let round = 0; round < 6; round++) {
    await handle.signal(paymentReceivedSignal, eventOf(booking, doubtful, true));
    await harness.sleep(1_000);
  }
  const paid = harness.newPayment(booking, 'succeeded');
  await harness.handleOf(booking).signal(paymentReceivedSignal, eventOf(booking, paid));
  await expect.poll(() => booking.status).toBe('confirmed');
  expect((await harness.handleOf(booking).describe()).runId).not.toBe(first);
  // The new run must answer the cancellation.
  await harness.sleep(hourMs);
  expect(await harness.cancel(harness.handleOf(booking), byGuest)).toEqual({ cancelled: true, refund: true });
  expect(await harness.handleOf(booking).result()).toBe('cancelled');
  expect(booking.moves.map(({ to }) => to)).toEqual(['confirmed', 'cancelled']);
});
