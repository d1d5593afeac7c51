import type { WorkflowUpdateHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { cancelUpdate, cancelUpdateId, paymentReceivedSignal } from '../../workflows/messages.ts';
import type { CancelResult } from '../../domain/messages.ts';
import { byGuest, byStaff, dayMs, hourMs, minuteMs, eventOf, openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ testServerPath: inject('temporalTestServerPath') });
});
afterAll(() => stage.close());

async function confirmed(row: Parameters<Stage['newBooking']>[0] = {}) {
  const booking = await stage.newBooking(row);
  const payment = stage.newPayment(booking, 'succeeded');
  const handle = await stage.startWithEvent(booking, eventOf(booking, payment));
  await expect.poll(() => booking.status).toBe('confirmed');
  return { booking, payment, handle };
}

/** Lets a step hang, as it does while Stripe is away, until Stripe comes back. */
function stripeAway(step: 'verifyPayment' | 'closePayments', bookingRef: string) {
  let comeBack = () => {};
  const back = new Promise<void>((resolve) => {
    comeBack = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    stage.fake.before(step, bookingRef, () => {
      resolve();
      return back;
    });
  });
  return { asked, comeBack: () => comeBack() };
}

describe('cancelling', () => {
  test('a hold: answered at once, the PaymentIntent closed behind', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    expect(await stage.cancel(handle, byGuest)).toEqual({ cancelled: true, refund: true });
    expect(booking.status).toBe('cancelled');
    expect(await handle.result()).toBe('cancelled');
    expect(payment.atStripe).toBe('canceled');
  });

  test('the answer does not wait for Stripe', async () => {
    const booking = await stage.newBooking();
    stage.newPayment(booking);
    const handle = await stage.start(booking);
    let open = () => {};
    const stripeIsBack = new Promise<void>((resolve) => {
      open = resolve;
    });
    stage.fake.before('closePayments', booking.ref, () => stripeIsBack);
    expect(await stage.cancel(handle, byGuest)).toMatchObject({ cancelled: true });
    open();
    await handle.result();
  });

  test('the answer does not wait for Stripe, of which a payment is being asked', async () => {
    const booking = await stage.newBooking();
    const doubtful = stage.newPayment(booking);
    const stripe = stripeAway('verifyPayment', booking.ref);
    const handle = await stage.start(booking);
    await handle.signal(paymentReceivedSignal, eventOf(booking, doubtful, true));
    await stripe.asked;
    expect(await stage.cancel(handle, byGuest)).toMatchObject({ cancelled: true });
    stripe.comeBack();
    expect(await handle.result()).toBe('cancelled');
    expect(stage.fake.count('verifyPayment', booking.ref)).toBeGreaterThan(1);
    expect(doubtful.atStripe).toBe('canceled');
  });

  test('a payment is decided, and then a cancellation, while Stripe is being asked about another', async () => {
    const booking = await stage.newBooking();
    const [doubtful, paid] = [stage.newPayment(booking), stage.newPayment(booking, 'succeeded')];
    const stripe = stripeAway('verifyPayment', booking.ref);
    const handle = await stage.start(booking);
    await handle.signal(paymentReceivedSignal, eventOf(booking, doubtful, true));
    await stripe.asked;
    await handle.signal(paymentReceivedSignal, eventOf(booking, paid));
    await expect.poll(() => booking.status).toBe('confirmed');
    expect(await stage.cancel(handle, byGuest)).toEqual({ cancelled: true, refund: true });
    stripe.comeBack();
    expect(await handle.result()).toBe('cancelled');
    expect(paid.refund).toBe('pending');
  });

  test('a stay, while another PaymentIntent of it is still to be closed: the answer does not wait', async () => {
    const booking = await stage.newBooking();
    const [paid, open] = [stage.newPayment(booking, 'succeeded'), stage.newPayment(booking)];
    const stripe = stripeAway('closePayments', booking.ref);
    const handle = await stage.startWithEvent(booking, eventOf(booking, paid));
    await stripe.asked;
    expect(await stage.cancel(handle, byGuest)).toEqual({ cancelled: true, refund: true });
    stripe.comeBack();
    expect(await handle.result()).toBe('cancelled');
    expect(open.atStripe).toBe('canceled');
  });

  test('a stay in time: the money goes back', async () => {
    const { payment, handle } = await confirmed();
    expect(await stage.cancel(handle, byGuest)).toEqual({ cancelled: true, refund: true });
    expect(await handle.result()).toBe('cancelled');
    expect(payment.refund).toBe('pending');
  });

  test('a stay too late: the money is kept, unless staff asks', async () => {
    const now = await stage.now();
    const soon = { startsAtMs: now + 2 * hourMs, endsAtMs: now + 3 * hourMs };
    const kept = await confirmed(soon);
    expect(await stage.cancel(kept.handle, byGuest)).toEqual({ cancelled: true, refund: false });
    expect(kept.payment.refund).toBeUndefined();
    const refunded = await confirmed(soon);
    expect(await stage.cancel(refunded.handle, byStaff)).toEqual({ cancelled: true, refund: true });
    expect(refunded.payment.refund).toBe('pending');
  });

  test('who has paid and cancels in the same moment is refunded, not forgotten', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    let answer: ReturnType<Stage['cancel']> | undefined;
    // Both arrive while the row is being read, so that one workflow task brings them, the cancellation first.
    stage.fake.before('loadBooking', booking.ref, async () => {
      answer = stage.cancel(stage.handleOf(booking), byGuest);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await stage.handleOf(booking).signal(paymentReceivedSignal, eventOf(booking, payment));
    });
    const handle = await stage.start(booking);
    expect(await handle.result()).toBe('cancelled');
    expect(await answer).toEqual({ cancelled: true, refund: true });
    expect(booking.moves.map(({ to }) => to)).toEqual(['confirmed', 'cancelled']);
    expect(payment.refund).toBe('pending');
  });

  test('while the hold is being settled: refused with what it became', async () => {
    const booking = await stage.newBooking();
    stage.newPayment(booking);
    const handle = await stage.start(booking);
    let asked: WorkflowUpdateHandle<CancelResult> | undefined;
    stage.fake.before('settleHold', booking.ref, async () => {
      asked = await handle.startUpdate(cancelUpdate, { args: [byGuest], waitForStage: 'ACCEPTED' });
    });
    await stage.sleep(31 * minuteMs);
    expect(await asked?.result()).toEqual({ cancelled: false, reason: 'not_cancellable', status: 'expired' });
    expect(await handle.result()).toBe('expired');
  });

  test('after it has begun: refused to the guest, done for staff', async () => {
    const { handle } = await confirmed();
    await stage.sleep(7 * dayMs + hourMs / 2);
    expect(await stage.cancel(handle, byGuest)).toEqual({
      cancelled: false,
      reason: 'already_started',
      status: 'confirmed',
    });
    expect(await stage.cancel(handle, byStaff)).toEqual({ cancelled: true, refund: true });
    expect(await handle.result()).toBe('cancelled');
  });

  test('after the hold has expired: there is no run to ask, and asking starts none', async () => {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    await handle.result();
    await expect(stage.cancel(handle, byGuest)).rejects.toThrow();
    await expect(stage.cancelWithStart(booking, byGuest)).rejects.toThrow();
    expect(booking.moves.map(({ to }) => to)).toEqual(['expired']);
    expect(stage.fake.count('loadBooking', booking.ref)).toBe(1);
  });

  test('twice with one id: one decision, one answer', async () => {
    const { booking, handle } = await confirmed();
    const ask = () => stage.cancel(handle, byGuest, cancelUpdateId(byGuest, 'pending'));
    const answers = await Promise.all([ask(), ask()]);
    expect(answers).toEqual([
      { cancelled: true, refund: true },
      { cancelled: true, refund: true },
    ]);
    expect(stage.fake.count('cancelBooking', booking.ref)).toBe(1);
  });

  test('refused as expired, then confirmed by late money: asked again, it is decided anew', async () => {
    const booking = await stage.newBooking();
    stage.newPayment(booking);
    const handle = await stage.start(booking);
    let refused: WorkflowUpdateHandle<CancelResult> | undefined;
    stage.fake.before('settleHold', booking.ref, async () => {
      refused = await handle.startUpdate(cancelUpdate, {
        updateId: cancelUpdateId(byGuest, 'pending'),
        args: [byGuest],
        waitForStage: 'ACCEPTED',
      });
    });
    stage.fake.before('cancelBooking', booking.ref, async (attempt) => {
      if (attempt > 1) return;
      const late = stage.newPayment(booking, 'succeeded');
      await handle.signal(paymentReceivedSignal, eventOf(booking, late));
    });
    await stage.sleep(31 * minuteMs);
    expect(await refused?.result()).toEqual({
      cancelled: false,
      reason: 'not_cancellable',
      status: 'expired',
    });
    await expect.poll(() => booking.status).toBe('confirmed');
    const answer = await stage.cancel(handle, byGuest, cancelUpdateId(byGuest, 'confirmed'));
    expect(answer).toEqual({ cancelled: true, refund: true });
    expect(await handle.result()).toBe('cancelled');
  });

  test('by guest and staff at once: both are told that it is cancelled, and it is, once', async () => {
    const { booking, handle } = await confirmed();
    const [guest, staff] = await Promise.all([stage.cancel(handle, byGuest), stage.cancel(handle, byStaff)]);
    expect([guest.cancelled, staff.cancelled]).toEqual([true, true]);
    expect(booking.moves.map(({ to }) => to)).toEqual(['confirmed', 'cancelled']);
    expect(await handle.result()).toBe('cancelled');
  });

  test('a booking whose workflow was never started: started and cancelled', async () => {
    const booking = await stage.newBooking();
    expect(await stage.cancelWithStart(booking, byGuest)).toEqual({ cancelled: true, refund: true });
    expect(await stage.handleOf(booking).result()).toBe('cancelled');
  });
});
