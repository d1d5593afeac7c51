import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { expectProblem, newBooking, requestIntent, showBooking } from '../factories.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('the PaymentIntent of a booking', () => {
  let system: System;
  let guest: TestUser;
  let log = '';
  beforeAll(async () => {
    system = await startSystem({ logTo: { write: (line: string) => void (log += line) } });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  const intentsOf = async (bookingId: number) => {
    const { paymentIntents } = await system.stripe.control.ledger();
    return paymentIntents.filter(({ metadata }) => metadata['booking_id'] === String(bookingId));
  };

  test.each(['/api/payment-intent/', '/api/payment-intent'])(
    '%s answers 201 with what the client pays with',
    async (path) => {
      const { id } = await newBooking(system, guest);
      const answer = await system.call('POST', path, {
        token: guest.token,
        body: { booking_id: id, amount: 40.0, currency: 'USD' },
      });
      expect(answer.status).toBe(201);
      expect(answer.body).toEqual({
        payment_intent_id: expect.stringMatching(/^pi_\w+$/),
        client_secret: expect.stringMatching(/^pi_\w+_secret_\w+$/),
        amount: 40,
        currency: 'usd',
        status: 'requires_payment_method',
        booking_id: id,
      });
      expect(await intentsOf(id)).toMatchObject([{ amount: 4_000, currency: 'usd' }]);
    },
  );

  test('ST-15 asking again, also many times at once, gets the same one', async () => {
    const { id } = await newBooking(system, guest);
    const answers = await Promise.all(Array.from({ length: 8 }, () => requestIntent(system, guest, id)));
    const again = await requestIntent(system, guest, id);
    for (const answer of answers) expect(answer.body).toEqual(again.body);
    expect(await intentsOf(id)).toHaveLength(1);
  });

  test('a zero-decimal currency is charged in its own units', async () => {
    const { id } = await newBooking(system, guest, {
      room_id: await system.newRoom({ currency: 'jpy', price_minor: 5_000 }),
    });
    const answer = await requestIntent(system, guest, id, { amount: 10_000, currency: 'jpy' });
    expect(answer.body).toMatchObject({ amount: 10_000, currency: 'jpy' });
    expect(await intentsOf(id)).toMatchObject([{ amount: 10_000, currency: 'jpy' }]);
  });

  test('an amount that is right is not too large, in a currency of small units', async () => {
    const { id } = await newBooking(system, guest, {
      room_id: await system.newRoom({ currency: 'vnd', price_minor: 40_000_000 }),
    });
    const sent = { amount: 80_000_000, currency: 'vnd' };
    expect((await requestIntent(system, guest, id, sent)).status).toBe(201);
    expectProblem(await requestIntent(system, guest, id, { ...sent, amount: 80_000_001 }), 'amount_mismatch');
  });

  test.each<[string, unknown]>([
    ['amount', 39.99],
    ['amount', 0],
    ['amount', 4_000],
    ['amount', 40.001],
    ['currency', 'eur'],
  ])('ST-13 another %s than the booking’s is refused: %s', async (field, value) => {
    const { id } = await newBooking(system, guest);
    expectProblem(await requestIntent(system, guest, id, { [field]: value }), 'amount_mismatch', field);
    expect(await intentsOf(id)).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['booking_id', undefined],
    ['booking_id', '1'],
    ['amount', -1],
    ['amount', '40'],
    ['currency', 'dollars'],
    ['description', 'mine'],
  ])('a malformed %s is refused: %s', async (field, value) => {
    expectProblem(await requestIntent(system, guest, 1, { [field]: value }), 'invalid_request', field);
  });

  test('ST-28 AZ-01 the client secret is the owner’s alone, is not stored, and in no other answer', async () => {
    const [other, staff] = [await system.newUser(), await system.newUser({ isStaff: true })];
    const { id } = await newBooking(system, guest);
    const mine = await requestIntent(system, guest, id);
    expect(mine.headers.get('Cache-Control')).toBe('no-store');
    for (const stranger of [other, staff])
      expectProblem(await requestIntent(system, stranger, id), 'booking_not_found');
    expectProblem(await requestIntent(system, guest, 999_999), 'booking_not_found');
    expectProblem(
      await system.call('POST', '/api/payment-intent/', { body: { booking_id: id } }),
      'unauthenticated',
    );
    for (const [user, path] of [
      [guest, `/api/bookings/${id}/`],
      [staff, `/api/bookings/${id}/`],
      [guest, '/api/bookings/'],
      [staff, '/api/bookings/all/'],
    ] as const) {
      const { status, body } = await system.call('GET', path, { token: user.token });
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain('_secret_');
    }
    expect((await showBooking(system, staff, id)).payment).toEqual({
      payment_intent_id: mine.body.payment_intent_id,
      status: 'requires_payment_method',
      refunded_amount: 0,
      disputed_amount: 0,
      refund: null,
      refunds: [],
    });
    const stored = await rows<{ row: string }>(
      system.db,
      `select payments::text as row from payments union all select outbox::text from outbox
       union all select stripe_events::text from stripe_events union all select idempotency_keys::text from idempotency_keys`,
    );
    expect(JSON.stringify(stored)).not.toContain('_secret_');
    expect(log).toContain('/api/payment-intent');
    expect(log).not.toContain('_secret_');
  });

  test('a paid booking is not paid again', async () => {
    const { id } = await newBooking(system, guest);
    const { body } = await requestIntent(system, guest, id);
    await system.stripe.control.pay(body.payment_intent_id);
    expectProblem(await requestIntent(system, guest, id), 'already_paid');
    await until(
      'the confirmation',
      async () => (await showBooking(system, guest, id)).status === 'confirmed',
    );
    expectProblem(await requestIntent(system, guest, id), 'already_paid');
    expect(await intentsOf(id)).toHaveLength(1);
  });

  test('a hold that has ended cannot be paid: lapsed, expired or cancelled', async () => {
    const { id } = await newBooking(system, guest);
    await rows(
      system.db,
      `update bookings set hold_expires_at = now(), settle_lease_until = now() + interval '1 hour' where id = ?`,
      [id],
    );
    expectProblem(await requestIntent(system, guest, id), 'hold_expired');
    for (const status of ['expired', 'cancelled']) {
      const booking = await newBooking(system, guest);
      await rows(system.db, 'update bookings set status = ? where id = ?', [status, booking.id]);
      expectProblem(await requestIntent(system, guest, booking.id), 'hold_expired');
      expect(await intentsOf(booking.id)).toEqual([]);
    }
  });

  test('a PaymentIntent canceled during the hold is followed by another', async () => {
    const { id } = await newBooking(system, guest);
    const first = await requestIntent(system, guest, id);
    await system.stripe.control.setPaymentIntent(first.body.payment_intent_id, { status: 'canceled' });
    const second = await requestIntent(system, guest, id);
    expect(second.status).toBe(201);
    expect(second.body.payment_intent_id).not.toBe(first.body.payment_intent_id);
    expect((await showBooking(system, guest, id)).status).toBe('pending');
  });
});
