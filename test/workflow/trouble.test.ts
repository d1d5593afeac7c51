import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { holdQuery } from '../../workflows/messages.ts';
import { byGuest, dayMs, eventOf, openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ testServerPath: inject('temporalTestServerPath') });
});
afterAll(() => stage.close());

describe('late money', () => {
  test('confirms, and its workflow owns the stay to its end', async () => {
    const booking = await stage.newBooking({ status: 'expired' });
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startLate(eventOf(booking, payment));
    await expect.poll(() => booking.workflowId).toBe(handle.workflowId);
    expect(await handle.result()).toBe('completed');
    expect(booking.moves.map(({ to }) => to)).toEqual(['confirmed', 'completed']);
  });

  test('confirms, and its workflow can be asked to cancel', async () => {
    const booking = await stage.newBooking({ status: 'expired' });
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startLate(eventOf(booking, payment));
    expect(await stage.cancel(handle, byGuest)).toEqual({ cancelled: true, refund: true });
    expect(await handle.result()).toBe('cancelled');
    expect(payment.refund).toBe('pending');
  });

  test.each(['expired', 'cancelled', 'completed'] as const)(
    'for a slot that is lost (%s) goes back',
    async (status) => {
      const booking = await stage.newBooking({ status, slotTaken: true });
      const payment = stage.newPayment(booking, 'succeeded');
      expect(await (await stage.startLate(eventOf(booking, payment))).result()).toBe(status);
      expect(payment.refund).toBe('pending');
      expect(booking.moves).toEqual([]);
    },
  );

  test('for a booking that another workflow owns goes back and leaves that one alone', async () => {
    const booking = await stage.newBooking({ status: 'confirmed', confirmedBy: 'another payment' });
    const payment = stage.newPayment(booking, 'succeeded');
    expect(await (await stage.startLate(eventOf(booking, payment))).result()).toBe('confirmed');
    expect(payment.refund).toBe('pending');
  });

  test('for a hold whose own workflow was lost confirms it', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    expect(await (await stage.startLate(eventOf(booking, payment))).result()).toBe('completed');
  });
});

describe('a refund', () => {
  test('is tried for days', async () => {
    const booking = await stage.newBooking({ status: 'cancelled' });
    const payment = { ...stage.newPayment(booking, 'succeeded'), refund: 'pending' as const };
    booking.payments = [payment];
    const backAtMs = (await stage.now()) + 2 * dayMs;
    stage.fake.before('sendRefund', payment.ref, async () => {
      if ((await stage.now()) < backAtMs) throw new Error('Stripe does not answer');
    });
    expect(await (await stage.startRefund(booking, payment)).result()).toBe('succeeded');
    expect(payment.refund).toBe('succeeded');
    expect(await stage.now()).toBeGreaterThanOrEqual(backAtMs);
    expect(stage.fake.count('giveUpRefund', payment.ref)).toBe(0);
  });

  test('that Stripe refuses for good ends a run that failed, so that another can replace it', async () => {
    const booking = await stage.newBooking({ status: 'cancelled' });
    const payment = stage.newPayment(booking, 'succeeded');
    stage.fake.before('sendRefund', payment.ref, (attempt) => {
      if (attempt === 1) throw stage.finalRefusal();
    });
    await expect((await stage.startRefund(booking, payment)).result()).rejects.toThrow(WorkflowFailedError);
    expect(stage.fake.count('sendRefund', payment.ref)).toBe(1);
    expect(stage.fake.count('giveUpRefund', payment.ref)).toBe(0);
    expect(await (await stage.startRefund(booking, payment)).result()).toBe('succeeded');
  });

  test('that is not there, as in a restored database, ends a run that failed', async () => {
    const booking = await stage.newBooking({ status: 'cancelled' });
    const refund = { ...stage.newPayment(booking, 'succeeded'), ref: randomUUID() };
    await expect((await stage.startRefund(booking, refund)).result()).rejects.toThrow(WorkflowFailedError);
  });

  test('that has failed for two weeks is given up, and its run fails', async () => {
    const booking = await stage.newBooking({ status: 'cancelled' });
    const payment = stage.newPayment(booking, 'succeeded');
    const begunMs = await stage.now();
    let flaggedMs = 0;
    stage.fake.before('sendRefund', payment.ref, () => {
      throw new Error('Stripe does not answer');
    });
    stage.fake.before('giveUpRefund', payment.ref, async () => {
      flaggedMs = await stage.now();
    });
    await expect((await stage.startRefund(booking, payment)).result()).rejects.toThrow(WorkflowFailedError);
    expect(payment.refund).toBe('stuck');
    expect((flaggedMs - begunMs) / dayMs).toBeGreaterThan(13.9);
    expect((flaggedMs - begunMs) / dayMs).toBeLessThan(14.1);
  });
});

describe('the reconciler', () => {
  test('repairs what the database shows while Stripe cannot be asked for its events', async () => {
    const [asked, repaired] = [
      stage.fake.count('recordMissedEvents', 'all'),
      stage.fake.count('repairBookings', 'all'),
    ];
    stage.fake.before('recordMissedEvents', 'all', () => {
      throw new Error('Stripe does not answer');
    });
    const report = await (await stage.startReconciler()).result();
    expect(report).toMatchObject({ missedEvents: 'not known', overdueHolds: 0 });
    expect(report.eventsUntil).toBeUndefined();
    expect(stage.fake.count('recordMissedEvents', 'all') - asked).toBe(3);
    expect(stage.fake.count('repairBookings', 'all') - repaired).toBe(1);
  });
});

describe('trouble', () => {
  test('a database step is tried three times locally, then goes on as an ordinary activity', async () => {
    const booking = await stage.newBooking();
    stage.fake.before('loadBooking', booking.ref, (attempt) => {
      if (attempt <= 5) throw new Error('the database does not answer');
    });
    const handle = await stage.start(booking);
    expect(await handle.result()).toBe('expired');
    expect(stage.fake.count('loadBooking', booking.ref)).toBe(6);
    const { events } = await handle.fetchHistory();
    const scheduled = events?.map((event) => event.activityTaskScheduledEventAttributes?.activityType?.name);
    expect(scheduled?.filter(Boolean)).toEqual(['loadBooking']);
  });

  test('a final refusal of a database step is not tried again', async () => {
    const booking = await stage.newBooking();
    stage.fake.bookings.delete(booking.ref);
    const handle = await stage.start(booking);
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(stage.fake.count('loadBooking', booking.ref)).toBe(1);
  });

  test('a run that replaces a lost one goes on where the booking stands', async () => {
    const booking = await stage.newBooking();
    const first = await stage.start(booking);
    await expect.poll(async () => (await first.query(holdQuery)).status).toBe('pending');
    await first.terminate('lost');
    const payment = stage.newPayment(booking, 'succeeded');
    const second = await stage.startWithEvent(booking, eventOf(booking, payment));
    expect(await second.result()).toBe('completed');
    expect(booking.moves.map(({ to }) => to)).toEqual(['confirmed', 'completed']);
  });

  test('TM-03 a run that has ended is never started again', async () => {
    const booking = await stage.newBooking();
    await (await stage.start(booking)).result();
    await expect(stage.start(booking)).rejects.toThrow(/already started/);
    const payment = stage.newPayment(booking, 'succeeded');
    await expect(stage.startWithEvent(booking, eventOf(booking, payment))).rejects.toThrow(/already started/);
    expect(stage.fake.count('loadBooking', booking.ref)).toBe(1);
  });
});
