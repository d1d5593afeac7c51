import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { rows } from '../../db/knex.ts';
import { expectProblem, newBooking, requestBooking, requestIntent, showBooking } from '../factories.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { priceMinor, startPayments } from './payment-kit.ts';

describe('cancelling a booking', () => {
  let system: System;
  let guest: TestUser;
  let staff: TestUser;
  beforeAll(async () => {
    system = await startSystem();
    [guest, staff] = await Promise.all([system.newUser(), system.newUser({ isStaff: true })]);
  });
  afterAll(() => system.stop());

  const cancel = (id: number, user: TestUser, body?: unknown, path = `/api/bookings/${id}/cancel/`) =>
    system.call('POST', path, { token: user.token, ...(body !== undefined && { body }) });
  const refundOf = async (id: number) => (await showBooking(system, guest, id)).payment?.refund?.status;

  async function confirmed(): Promise<{ id: number; intentId: string; roomId: number }> {
    const booking = await newBooking(system, guest);
    const { body } = await requestIntent(system, guest, booking.id);
    await system.stripe.control.pay(body.payment_intent_id);
    await until(
      'the confirmation',
      async () => (await showBooking(system, guest, booking.id)).status === 'confirmed',
    );
    return { id: booking.id, intentId: body.payment_intent_id, roomId: booking.room_id };
  }

  /** Moves a confirmed booking so that it begins in so many minutes. */
  const beginIn = (id: number, minutes: number) =>
    rows(
      system.db,
      `update bookings set during = tstzrange(now() + ? * interval '1 minute', now() + (? + 60) * interval '1 minute')
        where id = ?`,
      [minutes, minutes, id],
    );

  test('a hold is cancelled, its PaymentIntent too, and the slot is free at once; repeating is safe', async () => {
    const booking = await newBooking(system, guest);
    const { body: intent } = await requestIntent(system, guest, booking.id);
    const answer = await cancel(booking.id, guest);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ id: booking.id, status: 'cancelled', hold_seconds_left: 0 });
    expect(Object.keys(answer.body).sort()).toEqual(Object.keys(booking).sort());
    expect((await requestBooking(system, guest, { room_id: booking.room_id })).status).toBe(201);
    const again = await cancel(booking.id, guest);
    expect([again.status, again.body.status]).toEqual([200, 'cancelled']);
    await until('the intent’s end', async () => {
      const { paymentIntents } = await system.stripe.control.ledger();
      return paymentIntents.find(({ id }) => id === intent.payment_intent_id)?.status === 'canceled';
    });
    const events = await rows(
      system.db,
      'select actor, to_status from booking_events where booking_id = ? order by id',
      [booking.id],
    );
    expect(events).toEqual([
      { actor: `user:${guest.id}`, to_status: 'pending' },
      { actor: `user:${guest.id}`, to_status: 'cancelled' },
    ]);
  });

  test('without its slash the address works too, and an empty body is no body', async () => {
    const [one, other] = await Promise.all([newBooking(system, guest), newBooking(system, guest)]);
    expect((await cancel(one.id, guest, undefined, `/api/bookings/${one.id}/cancel`)).status).toBe(200);
    expect((await cancel(other.id, guest, {})).status).toBe(200);
  });

  test('two cancellations at once end in one', async () => {
    const { id } = await newBooking(system, guest);
    const answers = await Promise.all([cancel(id, guest), cancel(id, guest), cancel(id, staff)]);
    expect(answers.map(({ status, body }) => [status, body.status])).toEqual(
      Array(3).fill([200, 'cancelled']),
    );
    const events = await rows(
      system.db,
      `select 1 from booking_events where booking_id = ? and to_status = 'cancelled'`,
      [id],
    );
    expect(events).toHaveLength(1);
  });

  test('a paid booking cancelled in time gives its money back in full, once', async () => {
    const { id, intentId } = await confirmed();
    expect((await cancel(id, guest)).body.status).toBe('cancelled');
    await until('the refund', async () => (await refundOf(id)) === 'succeeded');
    expect(await showBooking(system, guest, id)).toMatchObject({
      payment_status: 'refunded',
      payment: { payment_intent_id: intentId, refund: { status: 'succeeded', amount: 40 } },
    });
    await cancel(id, guest);
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find((one) => one.id === intentId)).toMatchObject({ refundedMinor: 4_000 });
  });

  test('a paid booking cancelled too late keeps its money, whatever the guest asks', async () => {
    const { id, intentId } = await confirmed();
    await beginIn(id, 23 * 60);
    const answer = await cancel(id, guest, { refund: true });
    expect([answer.status, answer.body.status, answer.body.payment_status]).toEqual([
      200,
      'cancelled',
      'succeeded',
    ]);
    expect(
      await rows(
        system.db,
        'select 1 from refunds f join payments p on p.id = f.payment_id where p.booking_id = ?',
        [id],
      ),
    ).toEqual([]);
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find((one) => one.id === intentId)).toMatchObject({ refundedMinor: 0 });
  });

  test('staff cancels late without a refund, or with one when asked', async () => {
    const [kept, returned] = [await confirmed(), await confirmed()];
    await Promise.all([beginIn(kept.id, 60), beginIn(returned.id, 60)]);
    expect((await cancel(kept.id, staff)).body.status).toBe('cancelled');
    expect((await cancel(returned.id, staff, { refund: true })).body.status).toBe('cancelled');
    await until('the refund', async () => (await refundOf(returned.id)) === 'succeeded');
    expect(await refundOf(kept.id)).toBeUndefined();
    // A later request still refunds it, once, and the audit has it.
    for (let time = 0; time < 2; time++) {
      expect((await cancel(kept.id, staff, { refund: true })).status).toBe(200);
    }
    await until('the refund', async () => (await refundOf(kept.id)) === 'succeeded');
    const noted = await rows(
      system.db,
      `select actor_id, action from staff_events where subject_kind = 'booking' and subject_id in (?, ?)`,
      [kept.id, returned.id],
    );
    expect(noted).toEqual([{ actor_id: staff.id, action: 'refunded' }]);
  });

  test('only staff can cancel a stay that has begun', async () => {
    const { id } = await confirmed();
    await beginIn(id, -10);
    expectProblem(await cancel(id, guest), 'not_cancellable');
    expect((await cancel(id, staff)).body.status).toBe('cancelled');
  });

  test('expired and completed bookings cannot be cancelled', async () => {
    const { id } = await newBooking(system, guest);
    await rows(system.db, `update bookings set status = 'expired' where id = ?`, [id]);
    expectProblem(await cancel(id, guest), 'not_cancellable');
    const stay = await confirmed();
    await rows(system.db, `update bookings set status = 'completed' where id = ?`, [stay.id]);
    for (const user of [guest, staff]) expectProblem(await cancel(stay.id, user), 'not_cancellable');
  });

  test('a malformed cancellation is refused', async () => {
    const { id } = await newBooking(system, guest);
    expectProblem(await cancel(id, guest, { refund: 'yes' }), 'invalid_request', 'refund');
    expectProblem(await cancel(id, guest, { amount: 1 }), 'invalid_request', 'amount');
    expectProblem(await cancel(id, guest, 'nonsense'), 'malformed_json');
    for (const text of ['0', 'x', '2147483648']) {
      expectProblem(
        await system.call('POST', `/api/bookings/${text}/cancel/`, { token: guest.token }),
        'not_found',
      );
    }
  });
});

test('a hold that is paid as it is cancelled gives all back, also within the hours in which a stay would not', async () => {
  const payments = await startPayments({
    worker: false,
    settings: { HOLD_MINUTES: '60', FREE_CANCEL_HOURS: '1000' },
  });
  try {
    const held = await payments.holdToPay();
    await payments.control.pay(held.intentId);
    await payments.control.whenDelivered();
    await payments.untilCarried(held.ref);
    const asked = vi.spyOn(payments.system.server.deps.workflows, 'cancelBooking');
    const answer = payments.cancel(held.id);
    await until('the question to the workflow', async () => asked.mock.calls.length > 0);
    const worker = await payments.system.startWorker();
    expect((await answer).status).toBe(200);
    // Its workflow handles the payment event first.
    expect(await payments.moves(held.id)).toEqual(['pending', 'confirmed', 'cancelled']);
    expect(await payments.refundsOf(held.id)).toMatchObject([
      { reason: 'cancelled', amount_minor: priceMinor },
    ]);
    await worker.stop();
  } finally {
    await payments.stop();
  }
});
