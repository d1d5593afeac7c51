import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { processingGraceMs } from '../../domain/limits.ts';
import {
  bookingChangedSignal,
  bookingStatusAttribute,
  holdQuery,
  paymentReceivedSignal,
} from '../../workflows/messages.ts';
import type { FakeBooking } from './fake-activities.ts';
import { dayMs, hourMs, minuteMs, eventOf, openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ testServerPath: inject('temporalTestServerPath') });
});
afterAll(() => stage.close());

/** How long after its deadline a booking moved. */
const lateMs = ({ moves, holdExpiresAtMs }: FakeBooking) => (moves.at(-1)?.atMs ?? NaN) - holdExpiresAtMs;
/** The server's clock runs on while the worker works, so a busy machine is a little late. */
function expectAtDeadline(booking: FakeBooking): void {
  expect(lateMs(booking)).toBeGreaterThanOrEqual(0);
  expect(lateMs(booking)).toBeLessThan(10_000);
}
const movesOf = ({ moves }: FakeBooking) => moves.map(({ to }) => to);

describe('the deadline', () => {
  test('a hold of 30 minutes expires at its deadline, in under a second of real time', async () => {
    const tookMs: number[] = [];
    // The best of a few: the first has the worker's start in it, and the machine may be busy with others.
    for (let n = 0; n < 5; n++) {
      const booking = await stage.newBooking();
      const payment = stage.newPayment(booking);
      const begun = Date.now();
      expect(await (await stage.start(booking)).result()).toBe('expired');
      tookMs.push(Date.now() - begun);
      expectAtDeadline(booking);
      expect(payment.atStripe).toBe('canceled');
    }
    expect(Math.min(...tookMs)).toBeLessThan(1_000);
  });

  test('TM-05 started ten minutes late, it still ends at the deadline', async () => {
    const booking = await stage.newBooking();
    await stage.sleep(10 * minuteMs);
    await (await stage.start(booking)).result();
    expectAtDeadline(booking);
  });

  test('a hold whose stay begins earlier now ends earlier, as soon as its workflow is told', async () => {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    await stage.sleep(minuteMs);
    const earlier = booking.holdExpiresAtMs - 20 * minuteMs;
    Object.assign(booking, { holdExpiresAtMs: earlier, settleAtMs: earlier });
    await handle.signal(bookingChangedSignal);
    expect(await handle.result()).toBe('expired');
    expectAtDeadline(booking);
  });

  test('a stay that ends later now is completed later, and one that ends earlier at once', async () => {
    for (const shiftMs of [5 * hourMs, -hourMs]) {
      const now = await stage.now();
      const booking = await stage.newBooking({ startsAtMs: now + 6 * hourMs, endsAtMs: now + 7 * hourMs });
      const payment = stage.newPayment(booking, 'succeeded');
      const handle = await stage.start(booking);
      await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
      await stage.sleep(minuteMs);
      booking.endsAtMs += shiftMs;
      await handle.signal(bookingChangedSignal);
      expect(await handle.result()).toBe('completed');
      expect((booking.moves.at(-1)?.atMs ?? NaN) - booking.endsAtMs).toBeGreaterThanOrEqual(0);
      expect((booking.moves.at(-1)?.atMs ?? NaN) - booking.endsAtMs).toBeLessThan(hourMs);
    }
  });

  test('a hold that nobody began to pay for ends by a local step: Stripe is not asked', async () => {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    expect(await handle.result()).toBe('expired');
    expectAtDeadline(booking);
    const { events } = await handle.fetchHistory();
    expect(events?.some((event) => event.activityTaskScheduledEventAttributes)).toBe(false);
  });

  test('TM-05 an overdue hold is settled at once', async () => {
    const now = await stage.now();
    const booking = await stage.newBooking({ holdExpiresAtMs: now - 10 * minuteMs });
    await (await stage.start(booking)).result();
    expect(movesOf(booking)).toEqual(['expired']);
    expect((booking.moves[0]?.atMs ?? NaN) - now).toBeLessThan(10_000);
  });

  test('a hold whose payment is processing is kept, and confirmed when the money comes', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'processing');
    const handle = await stage.start(booking);
    await stage.sleep(34 * minuteMs);
    expect(booking.status).toBe('pending');
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    expect(await handle.result()).toBe('completed');
    expect(movesOf(booking)).toEqual(['confirmed', 'completed']);
  });

  test('a payment that is processing for ever keeps the hold ten minutes longer and no more', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'processing');
    stage.fake.before('closePayments', booking.ref, () => {
      payment.atStripe = 'canceled';
    });
    expect(await (await stage.start(booking)).result()).toBe('expired');
    expect(lateMs(booking)).toBeGreaterThanOrEqual(processingGraceMs - 2_000);
    expect(lateMs(booking)).toBeLessThan(processingGraceMs + 60_000);
  });

  test('a database whose clock is behind is asked again when it says, not over and over', async () => {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    stage.skew.databaseBehindMs = minuteMs;
    await handle.result();
    stage.skew.databaseBehindMs = 0;
    expect(movesOf(booking)).toEqual(['expired']);
    // Each round asks for a quarter of a minute.
    expect(stage.fake.count('settleHold', booking.ref)).toBeLessThan(8);
  });
});

describe('a payment', () => {
  test('before the deadline confirms, and the workflow stays until the end of the stay', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.start(booking);
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    expect(await handle.result()).toBe('completed');
    expect(movesOf(booking)).toEqual(['confirmed', 'completed']);
    expect(booking.moves[1]?.atMs).toBeGreaterThanOrEqual(booking.endsAtMs);
    expect((booking.moves[1]?.atMs ?? NaN) - booking.endsAtMs).toBeLessThan(10_000);
    expect(stage.fake.count('settleHold', booking.ref)).toBe(0);
  });

  test('that comes with the start confirms', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startWithEvent(booking, eventOf(booking, payment));
    expect(await handle.result()).toBe('completed');
    expect(movesOf(booking)).toEqual(['confirmed', 'completed']);
  });

  test('a stay a year ahead ends a year later, in one run', async () => {
    const now = await stage.now();
    const booking = await stage.newBooking({ startsAtMs: now + 365 * dayMs, endsAtMs: now + 366 * dayMs });
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startWithEvent(booking, eventOf(booking, payment));
    expect(await handle.result()).toBe('completed');
    expect((booking.moves.at(-1)?.atMs ?? NaN) - booking.endsAtMs).toBeLessThan(10_000);
    expect((await handle.fetchHistory()).events?.length).toBeLessThan(40);
  });

  test.each([
    ['before Stripe is asked', 'succeeded'],
    ['that Stripe had refused to cancel', 'processing'],
  ] as const)('M6 TM-06: a payment event while the hold is settled is honoured (%s)', async (_, atStripe) => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    stage.fake.before('settleHold', booking.ref, async (attempt) => {
      payment.atStripe = attempt === 1 ? atStripe : 'succeeded';
      if (attempt === 1) await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    });
    expect(await handle.result()).toBe('completed');
    expect(movesOf(booking)).toEqual(['confirmed', 'completed']);
    expect(payment.refund).toBeUndefined();
  });

  test('TM-06: the event of a payment that was too late for the settlement confirms after all', async () => {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    stage.fake.before('settleHoldWithoutStripe', booking.ref, () =>
      handle.signal(
        paymentReceivedSignal,
        eventOf(booking, { intentId: 'pi_1', ref: 'x', atStripe: 'succeeded' }),
      ),
    );
    // The row learns of it only when the event is handled.
    stage.fake.before('decidePayment', booking.ref, () => {
      if (booking.payments.length === 0) stage.newPayment(booking, 'succeeded');
    });
    expect(await handle.result()).toBe('completed');
    expect(movesOf(booking)).toEqual(['expired', 'confirmed', 'completed']);
  });

  test('TM-13 the same event a thousand times is one decision and less than 2,000 events', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.start(booking);
    for (let sent = 0; sent < 1_000; sent += 50) {
      const event = eventOf(booking, payment);
      await Promise.all(Array.from({ length: 50 }, () => handle.signal(paymentReceivedSignal, event)));
    }
    expect(await handle.result()).toBe('completed');
    expect(movesOf(booking)).toEqual(['confirmed', 'completed']);
    expect((await handle.fetchHistory()).events?.length).toBeLessThan(2_000);
  });

  test('an event that arrives with the last step is handled', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking);
    const handle = await stage.start(booking);
    const second = stage.newPayment(booking);
    stage.fake.before('closePayments', booking.ref, async () => {
      second.atStripe = 'succeeded';
      await handle.signal(paymentReceivedSignal, eventOf(booking, second));
    });
    payment.atStripe = 'succeeded';
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    expect(await handle.result()).toBe('completed');
    expect(second.refund).toBe('pending');
    expect(payment.refund).toBeUndefined();
    expect(stage.fake.count('decidePayment', booking.ref)).toBe(2);
  });
});

describe('what an operator sees', () => {
  test('the query answers the live state', async () => {
    const booking = await stage.newBooking();
    const handle = await stage.start(booking);
    await expect
      .poll(() => handle.query(holdQuery))
      .toMatchObject({ status: 'pending', holdExpiresAt: new Date(booking.holdExpiresAtMs).toISOString() });
    const payment = stage.newPayment(booking, 'succeeded');
    await handle.signal(paymentReceivedSignal, eventOf(booking, payment));
    await expect
      .poll(() => handle.query(holdQuery))
      .toEqual({ bookingRef: booking.ref, status: 'confirmed', secondsLeft: 0 });
    await stage.sleep(7 * dayMs + 2 * hourMs);
    await expect.poll(async () => (await handle.query(holdQuery)).status).toBe('completed');
  });

  test('the search attribute follows the status where the run was started with it', async () => {
    const booking = await stage.newBooking();
    const payment = stage.newPayment(booking, 'succeeded');
    const handle = await stage.startWithEvent(booking, eventOf(booking, payment));
    await handle.result();
    const { events = [] } = await handle.fetchHistory();
    const shown = (events ?? []).flatMap((event) => {
      const fields = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields;
      const data = fields?.[bookingStatusAttribute]?.data;
      return data ? [JSON.parse(Buffer.from(data).toString()) as unknown] : [];
    });
    expect(shown.flat()).toEqual(['confirmed', 'completed']);
  });

  test('and is left alone where the server does not know it', async () => {
    const handle = await stage.start(await stage.newBooking(), { attribute: false });
    await handle.result();
    const { events } = await handle.fetchHistory();
    const upserted = events?.flatMap((event) =>
      Object.keys(event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields ?? {}),
    );
    // The SDK's own attribute of patches is known everywhere.
    expect(upserted).not.toContain(bookingStatusAttribute);
  });
});
