import type { WorkflowHandle } from '@temporalio/client';
import { processingGraceMs } from '../../domain/limits.ts';
import { bookingChangedSignal, cancelUpdate, paymentReceivedSignal } from '../../workflows/messages.ts';
import { byGuest, byStaff, dayMs, hourMs, minuteMs, eventOf, type WorkflowHarness } from './harness.ts';

/** Plays one course of events to its end and returns the run that was played. */
type Scenario = (harness: WorkflowHarness) => Promise<WorkflowHandle>;

/**
 * Every branch of a booking's workflows, each as one course of events. Their histories are saved in histories/ and
 * replayed against today's code: an open booking must survive a deploy in any of these states.
 */
export const scenarios: Record<string, Scenario> = {
  async 'hold expires'(harness) {
    const booking = await harness.newBooking();
    harness.newPayment(booking);
    return finished(await harness.start(booking));
  },
  async 'hold that nobody began to pay for expires'(harness) {
    return finished(await harness.start(await harness.newBooking()));
  },
  async 'hold that somebody began to pay for expires'(harness) {
    const booking = await harness.newBooking();
    harness.newPayment(booking);
    return finished(await harness.start(booking));
  },
  async 'hold is paid and the stay ends'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking);
    const handle = await harness.start(booking);
    await harness.sleep(5 * minuteMs);
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    return finished(handle);
  },
  async 'payment comes with the start'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking, 'succeeded');
    return finished(await harness.startWithEvent(booking, eventOf(booking, payment)));
  },
  async 'payment is verified and was not one'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking);
    const handle = await harness.start(booking);
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment, true));
    return finished(handle);
  },
  async 'payment is verified, interrupted by others'(harness) {
    const booking = await harness.newBooking();
    const [doubtful, paid] = [harness.newPayment(booking), harness.newPayment(booking, 'succeeded')];
    let away = true;
    harness.fake.before('verifyPayment', booking.ref, () => {
      if (away) throw new Error('Stripe does not answer');
    });
    const handle = await harness.start(booking);
    await handle.signal(paymentReceivedSignal, eventOf(booking, doubtful, true));
    await harness.sleep(2 * minuteMs);
    await handle.signal(paymentReceivedSignal, eventOf(booking, paid));
    await harness.sleep(2 * minuteMs);
    await harness.cancel(handle, byGuest);
    away = false;
    return finished(handle);
  },
  async 'unverified and verified payments come with the start'(harness) {
    const booking = await harness.newBooking();
    const [doubtful, paid] = [harness.newPayment(booking), harness.newPayment(booking, 'succeeded')];
    harness.fake.before('loadBooking', booking.ref, async () => {
      await harness.handleOf(booking).signal(paymentReceivedSignal, eventOf(booking, paid));
    });
    // The activity is still running when the workflow gives it up: one that completes at that instant crashes the test
    // server, though not Temporal itself.
    harness.fake.before('verifyPayment', booking.ref, async (attempt) => {
      if (attempt === 1) await new Promise((resolve) => setTimeout(resolve, 2_000));
    });
    return finished(await harness.startWithEvent(booking, eventOf(booking, doubtful, true)));
  },
  async 'cancel comes while payments are closed'(harness) {
    const booking = await harness.newBooking();
    const [paid, open] = [
      harness.newPayment(booking, 'succeeded'),
      harness.newPayment(booking, 'processing'),
    ];
    const handle = await harness.startWithEvent(booking, eventOf(booking, paid));
    await harness.sleep(2 * minuteMs);
    await harness.cancel(handle, byGuest);
    open.atStripe = 'open';
    return finished(handle);
  },
  async 'payment while the hold is settled'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking);
    const handle = await harness.start(booking);
    harness.fake.before('settleHold', booking.ref, async () => {
      payment.atStripe = 'succeeded';
      await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    });
    return finished(handle);
  },
  async 'processing extends the hold'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking, 'processing');
    const handle = await harness.start(booking);
    harness.fake.before('settleHold', booking.ref, (attempt) => {
      if (attempt > 2) payment.atStripe = 'succeeded';
    });
    return finished(handle);
  },
  async 'processing outlasts the hold'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking, 'processing');
    const handle = await harness.start(booking);
    harness.fake.before('settleHold', booking.ref, (attempt) => {
      if (attempt > 2) booking.holdExpiresAtMs -= processingGraceMs;
    });
    harness.fake.before('closePayments', booking.ref, (attempt) => {
      if (attempt > 2) payment.atStripe = 'succeeded';
    });
    return finished(handle);
  },
  async 'hold expires without the search attribute'(harness) {
    return finished(await harness.start(await harness.newBooking(), { attribute: false }));
  },
  async 'guest cancels the hold'(harness) {
    const booking = await harness.newBooking();
    harness.newPayment(booking);
    const handle = await harness.start(booking);
    await harness.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'payment while a cancelled hold is tidied up'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking);
    const handle = await harness.start(booking);
    harness.fake.before('closePayments', booking.ref, async () => {
      payment.atStripe = 'succeeded';
      await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    });
    await harness.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'guest cancels the stay'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking, 'succeeded');
    const handle = await harness.startWithEvent(booking, eventOf(booking, payment));
    await harness.sleep(dayMs);
    await harness.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'cancel is refused during the stay, then done by staff'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking, 'succeeded');
    const handle = await harness.startWithEvent(booking, eventOf(booking, payment));
    await harness.sleep(7 * dayMs + hourMs / 2);
    await harness.cancel(handle, byGuest);
    await harness.cancel(handle, byStaff);
    return finished(handle);
  },
  async 'cancel comes while the hold is settled'(harness) {
    const booking = await harness.newBooking();
    harness.newPayment(booking);
    const handle = await harness.start(booking);
    harness.fake.before('settleHold', booking.ref, async () => {
      await handle.startUpdate(cancelUpdate, { args: [byGuest], waitForStage: 'ACCEPTED' });
    });
    return finished(handle);
  },
  async 'cancel starts a lost workflow'(harness) {
    const booking = await harness.newBooking();
    await harness.cancelWithStart(booking, byGuest);
    return finished(harness.handleOf(booking));
  },
  async 'second payment after the first'(harness) {
    const booking = await harness.newBooking();
    const [first, second] = [harness.newPayment(booking, 'succeeded'), harness.newPayment(booking)];
    const handle = await harness.startWithEvent(booking, eventOf(booking, first));
    harness.fake.before('closePayments', booking.ref, () => {
      second.atStripe = 'succeeded';
    });
    return finished(handle);
  },
  async 'database is away for a minute'(harness) {
    const booking = await harness.newBooking();
    harness.fake.before('loadBooking', booking.ref, (attempt) => {
      if (attempt <= 6) throw new Error('the database does not answer');
    });
    return finished(await harness.start(booking));
  },
  async 'database clock is behind'(harness) {
    const booking = await harness.newBooking();
    const handle = await harness.start(booking);
    harness.skew.databaseBehindMs = minuteMs;
    try {
      return await finished(handle);
    } finally {
      harness.skew.databaseBehindMs = 0;
    }
  },
  async 'database clock is behind at the end of the stay'(harness) {
    const booking = await harness.newBooking();
    const payment = harness.newPayment(booking, 'succeeded');
    const handle = await harness.startWithEvent(booking, eventOf(booking, payment));
    harness.skew.databaseBehindMs = minuteMs;
    try {
      return await finished(handle);
    } finally {
      harness.skew.databaseBehindMs = 0;
    }
  },
  async 'booking is not there'(harness) {
    const booking = await harness.newBooking();
    harness.fake.bookings.delete(booking.ref);
    const handle = await harness.start(booking);
    await handle.result().catch(() => undefined);
    return handle;
  },
  async 'booking belongs to another workflow'(harness) {
    const booking = await harness.newBooking({ status: 'confirmed', workflowId: 'late-payment-other' });
    return finished(await harness.start(booking));
  },
  async 'late payment confirms and the stay ends'(harness) {
    const booking = await harness.newBooking({ status: 'expired' });
    const payment = harness.newPayment(booking, 'succeeded');
    return finished(await harness.startLate(eventOf(booking, payment)));
  },
  async 'late payment confirms and is cancelled'(harness) {
    const booking = await harness.newBooking({ status: 'expired' });
    const payment = harness.newPayment(booking, 'succeeded');
    const handle = await harness.startLate(eventOf(booking, payment, true));
    await harness.sleep(dayMs);
    await harness.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'late payment goes back'(harness) {
    const booking = await harness.newBooking({ status: 'expired', slotTaken: true });
    const payment = harness.newPayment(booking, 'succeeded');
    return finished(await harness.startLate(eventOf(booking, payment)));
  },
  async 'refund after days of trouble'(harness) {
    const booking = await harness.newBooking({ status: 'cancelled' });
    const payment = harness.newPayment(booking, 'succeeded');
    const backAtMs = (await harness.now()) + 3 * dayMs;
    harness.fake.before('sendRefund', payment.ref, async () => {
      if ((await harness.now()) < backAtMs) throw new Error('Stripe does not answer');
    });
    return finished(await harness.startRefund(booking, payment));
  },
  async 'refund is refused for good'(harness) {
    const booking = await harness.newBooking({ status: 'cancelled' });
    const payment = harness.newPayment(booking, 'succeeded');
    harness.fake.before('sendRefund', payment.ref, () => {
      throw harness.finalRefusal();
    });
    const handle = await harness.startRefund(booking, payment);
    await handle.result().catch(() => undefined);
    return handle;
  },
  async 'hold ends earlier in another time zone'(harness) {
    const booking = await harness.newBooking();
    const handle = await harness.start(booking);
    await harness.sleep(minuteMs);
    const earlier = booking.holdExpiresAtMs - 20 * minuteMs;
    Object.assign(booking, { holdExpiresAtMs: earlier, settleAtMs: earlier });
    await handle.signal(bookingChangedSignal);
    return finished(handle);
  },
  async 'reconciler looks round'(harness) {
    return finished(await harness.startReconciler());
  },
  async 'reconciler cannot ask for events'(harness) {
    const before = harness.fake.count('recordMissedEvents', 'all');
    harness.fake.before('recordMissedEvents', 'all', () => {
      if (harness.fake.count('recordMissedEvents', 'all') - before <= 3)
        throw new Error('Stripe does not answer');
    });
    return finished(await harness.startReconciler());
  },
  async 'reconciler gives up after three tries'(harness) {
    const before = harness.fake.count('repairBookings', 'all');
    harness.fake.before('repairBookings', 'all', () => {
      if (harness.fake.count('repairBookings', 'all') - before <= 3) throw new Error('no database');
    });
    const handle = await harness.startReconciler();
    await handle.result().catch(() => undefined);
    return handle;
  },
};

async function finished(handle: WorkflowHandle): Promise<WorkflowHandle> {
  await handle.result();
  return handle;
}
