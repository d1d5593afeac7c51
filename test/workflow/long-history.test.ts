import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import { bundleOtherRelease } from './other-release.ts';
import { byGuest, hourMs, eventOf, openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  const code = await bundleOtherRelease('short-runs');
  stage = await openStage({ testServerPath: inject('temporalTestServerPath'), code });
});
afterAll(() => stage.close());

test('a booking whose history grows long goes on in another run, with what it has not read', async () => {
  const booking = await stage.newBooking();
  const doubtful = stage.newPayment(booking);
  const handle = await stage.start(booking);
  const first = (await handle.describe()).runId;
  for (let round = 0; round < 6; round++) {
    await handle.signal(paymentReceivedSignal, eventOf(booking, doubtful, true));
    await stage.sleep(1_000);
  }
  const paid = stage.newPayment(booking, 'succeeded');
  await stage.handleOf(booking).signal(paymentReceivedSignal, eventOf(booking, paid));
  await expect.poll(() => booking.status).toBe('confirmed');
  expect((await stage.handleOf(booking).describe()).runId).not.toBe(first);
  // The cancellation is the new run's to answer.
  await stage.sleep(hourMs);
  expect(await stage.cancel(stage.handleOf(booking), byGuest)).toEqual({ cancelled: true, refund: true });
  expect(await stage.handleOf(booking).result()).toBe('cancelled');
  expect(booking.moves.map(({ to }) => to)).toEqual(['confirmed', 'cancelled']);
});
