import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

describe('the life of a booking', () => {
  let system: System;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ settings: { HOLD_MINUTES: '0.1' } });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  async function hold(startTime: string, endTime: string, roomId: number) {
    const body = {
      room_id: roomId,
      booking_date: dayAhead(7),
      start_time: startTime,
      end_time: endTime,
      guest_count: 2,
    };
    return system.call('POST', '/api/bookings/', { token: guest.token, body });
  }

  async function openIntent(bookingId: number): Promise<string> {
    const { body } = await system.call('POST', '/api/payment-intent/', {
      token: guest.token,
      body: { booking_id: bookingId },
    });
    return body.payment_intent_id;
  }

  const show = async (id: number) =>
    (await system.call('GET', `/api/bookings/${id}/`, { token: guest.token })).body;

  test('a paid hold is confirmed within two seconds of the webhook', async () => {
    const { status, body: booking } = await hold('09:00', '10:00', await system.newRoom());
    expect(status).toBe(201);
    expect(booking).toMatchObject({
      status: 'pending',
      payment_status: 'pending',
      total_amount: 40,
      currency: 'usd',
    });
    await system.stripe.control.pay(await openIntent(booking.id));
    const paidAt = Date.now();
    await until('the confirmation', async () => (await show(booking.id)).status === 'confirmed');
    expect(Date.now() - paidAt).toBeLessThan(timely(2_000));
    expect(await show(booking.id)).toMatchObject({
      payment_status: 'succeeded',
      payment: { status: 'succeeded' },
    });
  });

  test('an unpaid hold expires, its PaymentIntent is canceled and its slot is free within three seconds', async () => {
    const room = await system.newRoom();
    const { body: booking } = await hold('09:00', '10:00', room);
    const intentId = await openIntent(booking.id);
    await until('the expiry', async () => (await show(booking.id)).status === 'expired', 12_000);
    expect(Date.now() - Date.parse(booking.hold_expires_at)).toBeLessThan(timely(3_000));
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find((intent) => intent.id === intentId)?.status).toBe('canceled');
    expect((await hold('09:00', '10:00', room)).status).toBe(201);
  });

  test('a confirmed booking that is cancelled in time is refunded in full', async () => {
    const { body: booking } = await hold('09:00', '09:30', await system.newRoom());
    const intentId = await openIntent(booking.id);
    await system.stripe.control.pay(intentId);
    await until('the confirmation', async () => (await show(booking.id)).status === 'confirmed');
    const cancelled = await system.call('POST', `/api/bookings/${booking.id}/cancel/`, {
      token: guest.token,
    });
    expect(cancelled.status).toBe(200);
    expect(cancelled.body.status).toBe('cancelled');
    await until('the refund', async () => (await show(booking.id)).payment_status === 'refunded');
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find((intent) => intent.id === intentId)).toMatchObject({ refundedMinor: 2_000 });
  });
});
