import type { WorkflowHandle } from '@temporalio/client';
import { processingGraceMs } from '../../domain/limits.ts';
import { bookingChangedSignal, cancelUpdate, paymentReceivedSignal } from '../../workflows/messages.ts';
import { byGuest, byStaff, dayMs, hourMs, minuteMs, eventOf, type Stage } from './stage.ts';

/** Plays one course of events to its end and returns the run that was played. */
type Scenario = (stage: Stage) => Promise<WorkflowHandle>;

/**
 * Every branch of a booking's workflows, each as one course of events. Their histories are saved in histories/ and
 * replayed against today's code: an open booking must survive a deploy in any of these states.
 */
export const scenarios: Record<string, Scenario> = {
  async 'hold expires'(stage) {
    const booking = await stage.newBooking();
    stage.newPayment(booking);
    return finished(await stage.start(booking));
  },
  async 'hold that nobody began to pay for expires'(stage) {
    return finished(await stage.start(await stage.newBooking()));
  },
  async 'hold that somebody began to pay for expires'(stage) {
    const booking = await stage.newBooking();
    stage.newPayment(booking);
    return finished(await stage.start(booking));
  },
  async 'hold is paid and the stay ends'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    await stage.sleep(5 * minuteMs);
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    return finished(handle);
  },
  async 'payment comes with the start'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    return finished(await stage.startWithEvent(booking, eventOf(booking, payment)));
  },
  async 'payment is verified and was not one'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment, true));
    return finished(handle);
  },
  async 'payment is verified, interrupted by others'(stage) {
    const booking = await stage.newBooking();
    const [doubtful, paid] = [stage.newPayment(booking), stage.newPayment(booking, 'succeeded')];
    let away = true;
    stage.fake.before('verifyPayment', booking.ref, () => {
      if (away) throw new Error('Stripe does not answer');
    });
    const handle = await stage.start(booking);
    await handle.signal(paymentReceivedSignal, eventOf(booking, doubtful, true));
    await stage.sleep(2 * minuteMs);
    await handle.signal(paymentReceivedSignal, eventOf(booking, paid));
    await stage.sleep(2 * minuteMs);
    await stage.cancel(handle, byGuest);
    away = false;
    return finished(handle);
  },
  async 'unverified and verified payments come with the start'(stage) {
    const booking = await stage.newBooking();
    const [doubtful, paid] = [stage.newPayment(booking), stage.newPayment(booking, 'succeeded')];
    stage.fake.before('loadBooking', booking.ref, async () => {
      await stage.handleOf(booking).signal(paymentReceivedSignal, eventOf(booking, paid));
    });
    // Under way while it is given up: one that is done in that instant stops the test server, though not Temporal's own.
    stage.fake.before('verifyPayment', booking.ref, async (attempt) => {
      if (attempt === 1) await new Promise((resolve) => setTimeout(resolve, 2_000));
    });
    return finished(await stage.startWithEvent(booking, eventOf(booking, doubtful, true)));
  },
  async 'cancel comes while payments are closed'(stage) {
    const booking = await stage.newBooking();
    const [paid, open] = [stage.newPayment(booking, 'succeeded'), stage.newPayment(booking, 'processing')];
    const handle = await stage.startWithEvent(booking, eventOf(booking, paid));
    await stage.sleep(2 * minuteMs);
    await stage.cancel(handle, byGuest);
    open.atStripe = 'open';
    return finished(handle);
  },
  async 'payment while the hold is settled'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    stage.fake.before('settleHold', booking.ref, async () => {
      payment.atStripe = 'succeeded';
      await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    });
    return finished(handle);
  },
  async 'processing extends the hold'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'processing');
    const handle = await stage.start(booking);
    stage.fake.before('settleHold', booking.ref, (attempt) => {
      if (attempt > 2) payment.atStripe = 'succeeded';
    });
    return finished(handle);
  },
  async 'processing outlasts the hold'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'processing');
    const handle = await stage.start(booking);
    stage.fake.before('settleHold', booking.ref, (attempt) => {
      if (attempt > 2) booking.holdExpiresAtMs -= processingGraceMs;
    });
    stage.fake.before('closePayments', booking.ref, (attempt) => {
      if (attempt > 2) payment.atStripe = 'succeeded';
    });
    return finished(handle);
  },
  async 'hold expires without the search attribute'(stage) {
    return finished(await stage.start(await stage.newBooking(), { attribute: false }));
  },
  async 'guest cancels the hold'(stage) {
    const booking = await stage.newBooking();
    stage.newPayment(booking);
    const handle = await stage.start(booking);
    await stage.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'payment while a cancelled hold is tidied up'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    stage.fake.before('closePayments', booking.ref, async () => {
      payment.atStripe = 'succeeded';
      await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    });
    await stage.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'guest cancels the stay'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startWithEvent(booking, eventOf(booking, payment));
    await stage.sleep(dayMs);
    await stage.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'cancel is refused during the stay, then done by staff'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startWithEvent(booking, eventOf(booking, payment));
    await stage.sleep(7 * dayMs + hourMs / 2);
    await stage.cancel(handle, byGuest);
    await stage.cancel(handle, byStaff);
    return finished(handle);
  },
  async 'cancel comes while the hold is settled'(stage) {
    const booking = await stage.newBooking();
    stage.newPayment(booking);
    const handle = await stage.start(booking);
    stage.fake.before('settleHold', booking.ref, async () => {
      await handle.startUpdate(cancelUpdate, { args: [byGuest], waitForStage: 'ACCEPTED' });
    });
    return finished(handle);
  },
  async 'cancel starts a lost workflow'(stage) {
    const booking = await stage.newBooking();
    await stage.cancelWithStart(booking, byGuest);
    return finished(stage.handleOf(booking));
  },
  async 'second payment after the first'(stage) {
    const booking = await stage.newBooking();
    const [first, second] = [stage.newPayment(booking, 'succeeded'), stage.newPayment(booking)];
    const handle = await stage.startWithEvent(booking, eventOf(booking, first));
    stage.fake.before('closePayments', booking.ref, () => {
      second.atStripe = 'succeeded';
    });
    return finished(handle);
  },
  async 'database is away for a minute'(stage) {
    const booking = await stage.newBooking();
    stage.fake.before('loadBooking', booking.ref, (attempt) => {
      if (attempt <= 6) throw new Error('the database does not answer');
    });
    return finished(await stage.start(booking));
  },
  async 'database clock is behind'(stage) {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    stage.skew.databaseBehindMs = minuteMs;
    try {
      return await finished(handle);
    } finally {
      stage.skew.databaseBehindMs = 0;
    }
  },
  async 'database clock is behind at the end of the stay'(stage) {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startWithEvent(booking, eventOf(booking, payment));
    stage.skew.databaseBehindMs = minuteMs;
    try {
      return await finished(handle);
    } finally {
      stage.skew.databaseBehindMs = 0;
    }
  },
  async 'booking is not there'(stage) {
    const booking = await stage.newBooking();
    stage.fake.bookings.delete(booking.ref);
    const handle = await stage.start(booking);
    await handle.result().catch(() => undefined);
    return handle;
  },
  async 'booking belongs to another workflow'(stage) {
    const booking = await stage.newBooking({ status: 'confirmed', workflowId: 'late-payment-other' });
    return finished(await stage.start(booking));
  },
  async 'late payment confirms and the stay ends'(stage) {
    const booking = await stage.newBooking({ status: 'expired' });
    const payment = stage.newPayment(booking, 'succeeded');
    return finished(await stage.startLate(eventOf(booking, payment)));
  },
  async 'late payment confirms and is cancelled'(stage) {
    const booking = await stage.newBooking({ status: 'expired' });
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startLate(eventOf(booking, payment, true));
    await stage.sleep(dayMs);
    await stage.cancel(handle, byGuest);
    return finished(handle);
  },
  async 'late payment goes back'(stage) {
    const booking = await stage.newBooking({ status: 'expired', slotTaken: true });
    const payment = stage.newPayment(booking, 'succeeded');
    return finished(await stage.startLate(eventOf(booking, payment)));
  },
  async 'refund after days of trouble'(stage) {
    const booking = await stage.newBooking({ status: 'cancelled' });
    const payment = stage.newPayment(booking, 'succeeded');
    const backAtMs = (await stage.now()) + 3 * dayMs;
    stage.fake.before('sendRefund', payment.ref, async () => {
      if ((await stage.now()) < backAtMs) throw new Error('Stripe does not answer');
    });
    return finished(await stage.startRefund(booking, payment));
  },
  async 'refund is refused for good'(stage) {
    const booking = await stage.newBooking({ status: 'cancelled' });
    const payment = stage.newPayment(booking, 'succeeded');
    stage.fake.before('sendRefund', payment.ref, () => {
      throw stage.finalRefusal();
    });
    const handle = await stage.startRefund(booking, payment);
    await handle.result().catch(() => undefined);
    return handle;
  },
  async 'hold ends earlier in another time zone'(stage) {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    await stage.sleep(minuteMs);
    const earlier = booking.holdExpiresAtMs - 20 * minuteMs;
    Object.assign(booking, { holdExpiresAtMs: earlier, settleAtMs: earlier });
    await handle.signal(bookingChangedSignal);
    return finished(handle);
  },
  async 'reconciler looks round'(stage) {
    return finished(await stage.startReconciler());
  },
  async 'reconciler cannot ask for events'(stage) {
    const before = stage.fake.count('recordMissedEvents', 'all');
    stage.fake.before('recordMissedEvents', 'all', () => {
      if (stage.fake.count('recordMissedEvents', 'all') - before <= 3)
        throw new Error('Stripe does not answer');
    });
    return finished(await stage.startReconciler());
  },
  async 'reconciler gives up after three tries'(stage) {
    const before = stage.fake.count('repairBookings', 'all');
    stage.fake.before('repairBookings', 'all', () => {
      if (stage.fake.count('repairBookings', 'all') - before <= 3) throw new Error('no database');
    });
    const handle = await stage.startReconciler();
    await handle.result().catch(() => undefined);
    return handle;
  },
};

async function finished(handle: WorkflowHandle): Promise<WorkflowHandle> {
  await handle.result();
  return handle;
}
