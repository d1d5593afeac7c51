import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { bookingBody, expectProblem, newBooking } from '../factories.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

describe('the Idempotency-Key', () => {
  let system: System;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  const post = (path: string, user: TestUser, key: string, body: unknown) =>
    system.call('POST', path, { token: user.token, body, headers: { 'Idempotency-Key': key } });
  const book = (user: TestUser, key: string, body: unknown) => post('/api/bookings/', user, key, body);
  const bookingsOf = (user: TestUser) =>
    rows(system.db, 'select id from bookings where user_id = ?', [user.id]);

  test('OB-04 OB-05 the same key and body get the first answer again, and one hold', async () => {
    const user = await system.newUser();
    const key = randomUUID();
    const body = bookingBody(await system.newRoom());
    const first = await book(user, key, body);
    expect(first.status).toBe(201);
    expect(first.headers.get('Idempotent-Replayed')).toBeNull();
    // The order of the fields is not a difference.
    const reordered = Object.fromEntries(Object.entries(body).reverse());
    const again = await book(user, key, reordered);
    expect(again.status).toBe(201);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect({ ...again.body, hold_seconds_left: 0 }).toEqual({ ...first.body, hold_seconds_left: 0 });
    expect(await bookingsOf(user)).toHaveLength(1);
  });

  test('OB-04 the same key with another body is refused', async () => {
    const key = randomUUID();
    const room = await system.newRoom();
    expect((await book(guest, key, bookingBody(room))).status).toBe(201);
    expectProblem(await book(guest, key, bookingBody(room, { guest_count: 3 })), 'idempotency_key_reused');
  });

  test('OB-04 twenty requests with one key at once make one booking; the others get it too, or 409', async () => {
    const user = await system.newUser();
    const key = randomUUID();
    const body = bookingBody(await system.newRoom());
    const answers = await Promise.all(Array.from({ length: 20 }, () => book(user, key, body)));
    const made = answers.filter(({ status }) => status === 201);
    expect(new Set(made.map((answer) => answer.body.id)).size).toBe(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expectProblem(answer, 'request_in_progress');
      expect(answer.headers.get('Retry-After')).toBe('1');
    }
    expect(await bookingsOf(user)).toHaveLength(1);
  });

  test('OB-04 a key that is running is refused until its lease ends, then taken over', async () => {
    const key = randomUUID();
    const body = bookingBody(await system.newRoom());
    await book(guest, key, body);
    const setKey = (change: string) =>
      rows(system.db, `update idempotency_keys set ${change} where key = ?`, [key]);
    await setKey('result_id = null');
    expectProblem(await book(guest, key, body), 'request_in_progress');
    await setKey('lease_until = now()');
    // The run that died had taken the slot: the new run says so, and by a refusal the key is free again.
    expectProblem(await book(guest, key, body), 'slot_taken');
    expect(await rows(system.db, 'select 1 from idempotency_keys where key = ?', [key])).toEqual([]);
  });

  test('OB-04 AZ-01 keys are each user’s own: another’s stored answer is never seen', async () => {
    const [key, other] = [randomUUID(), await system.newUser()];
    const body = bookingBody(await system.newRoom());
    const mine = await book(guest, key, body);
    expectProblem(await book(other, key, body), 'slot_taken');
    const theirs = await book(other, key, bookingBody(await system.newRoom()));
    expect(theirs.status).toBe(201);
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  test('OB-04 a token of a user whom the database has forgotten is refused as one', async () => {
    const token = system.server.deps.accessTokens.sign({ userId: 2_000_000_000, sessionId: randomUUID() });
    const answer = await book({ ...guest, token }, randomUUID(), bookingBody(await system.newRoom()));
    expectProblem(answer, 'invalid_token');
    expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"');
  });

  test('OB-04 a refusal releases the key', async () => {
    const key = randomUUID();
    const room = await system.newRoom();
    expectProblem(await book(guest, key, bookingBody(room, { guest_count: 11 })), 'over_capacity');
    expectProblem(await book(guest, key, bookingBody(999_999)), 'room_not_found');
    expect((await book(guest, key, bookingBody(room))).status).toBe(201);
  });

  test('OB-04 after its day a key is as good as new', async () => {
    const key = randomUUID();
    await book(guest, key, bookingBody(await system.newRoom()));
    await rows(
      system.db,
      `update idempotency_keys set created_at = now() - interval '24 hours 1 second' where key = ?`,
      [key],
    );
    const answer = await book(guest, key, bookingBody(await system.newRoom()));
    expect(answer.status).toBe(201);
    expect(answer.headers.get('Idempotent-Replayed')).toBeNull();
  });

  test.each([
    ['nothing in it', ''],
    ['spaces', 'two words'],
    ['256 characters', 'x'.repeat(256)],
    ['an umlaut', 'ä'],
  ])('OB-04 a key with %s is refused', async (_, key) => {
    expectProblem(await book(guest, key, bookingBody(await system.newRoom())), 'invalid_idempotency_key');
  });

  test('OB-04 one key serves two operations: a booking and its PaymentIntent', async () => {
    const key = randomUUID();
    const { body: booking } = await book(guest, key, bookingBody(await system.newRoom()));
    const pay = () => post('/api/payment-intent/', guest, key, { booking_id: booking.id });
    const [first, again] = [await pay(), await pay()];
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
    const other = await newBooking(system, guest);
    expectProblem(
      await post('/api/payment-intent/', guest, key, { booking_id: other.id }),
      'idempotency_key_reused',
    );
  });

  const askForIntent = (key: string, bookingId: number) =>
    post('/api/payment-intent/', guest, key, { booking_id: bookingId });

  test('OB-04 a refusal that is not the client’s fault releases the key too', async () => {
    const [key, booking] = [randomUUID(), await newBooking(system, guest)];
    await system.stripe.control.failNext({ kind: '503', match: { path: '/v1/payment_intents$' } });
    expectProblem(await askForIntent(key, booking.id), 'stripe_unavailable');
    const answer = await askForIntent(key, booking.id);
    expect([answer.status, answer.headers.get('Idempotent-Replayed')]).toEqual([201, null]);
    const refused = await newBooking(system, guest);
    // Stripe keeps a refusal under the key of the request, and gives it again.
    const refusal = { code: 'parameter_unknown' };
    await system.stripe.control.failNext({ kind: '400', refusal, match: { path: '/v1/payment_intents$' } });
    for (let turn = 0; turn < 2; turn++)
      expectProblem(await askForIntent(key + key, refused.id), 'payment_provider_refused');
  });

  test('OB-04 a PaymentIntent’s first answer is given again when it is paid, or canceled', async () => {
    const statusOf = { paid: 'succeeded', canceled: 'canceled' };
    for (const fate of ['paid', 'canceled'] as const) {
      const [key, booking] = [randomUUID(), await newBooking(system, guest)];
      const { body: first } = await askForIntent(key, booking.id);
      if (fate === 'paid') await system.stripe.control.pay(first.payment_intent_id);
      else await system.server.deps.stripe.paymentIntents.cancel(first.payment_intent_id);
      await system.stripe.control.whenDelivered();
      const again = await askForIntent(key, booking.id);
      expect([again.status, again.headers.get('Idempotent-Replayed')]).toEqual([201, 'true']);
      expect(again.body).toEqual({ ...first, status: statusOf[fate] });
      const made = await rows(system.db, 'select 1 from payments where booking_id = ?', [booking.id]);
      expect(made).toHaveLength(1);
    }
  });

  test('OB-04 a PaymentIntent’s answer is rebuilt by Stripe: without it the key keeps for later', async () => {
    const [key, booking] = [randomUUID(), await newBooking(system, guest)];
    const { body: first } = await askForIntent(key, booking.id);
    await system.stripe.control.failNext({ kind: '503', match: { method: 'GET' } });
    expectProblem(await askForIntent(key, booking.id), 'stripe_unavailable');
    expect((await askForIntent(key, booking.id)).body).toEqual(first);
  });

  test('OB-04 a key that an older release kept with the booking’s id gives the live PaymentIntent', async () => {
    const [key, booking] = [randomUUID(), await newBooking(system, guest)];
    const { body: first } = await askForIntent(key, booking.id);
    await rows(
      system.db,
      `update idempotency_keys set operation = 'create_payment_intent', result_id = ? where key = ?`,
      [booking.id, key],
    );
    expect((await askForIntent(key, booking.id)).body).toEqual(first);
  });

  test('OB-04 what a run did is unknown when the database gave no answer: its key stays leased', async () => {
    const [key, roomId] = [randomUUID(), await system.newRoom()];
    await system.db.transaction(async (trx) => {
      await rows(trx, 'select 1 from rooms where id = ? for update', [roomId]);
      expectProblem(await book(guest, key, bookingBody(roomId)), 'database_unavailable');
      expectProblem(await book(guest, key, bookingBody(roomId)), 'request_in_progress');
    });
  });

  test('OB-05 a client that hung up and repeats finds its one booking', async () => {
    const user = await system.newUser();
    const key = randomUUID();
    const body = bookingBody(await system.newRoom());
    for (let turn = 0; turn < 5; turn++) {
      const request = fetch(`${system.url}/api/bookings/`, {
        method: 'POST',
        headers: {
          Authorization: `Bearer ${user.token}`,
          'Content-Type': 'application/json',
          'Idempotency-Key': key,
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(2 + turn),
      });
      await request.then((response) => response.text()).catch(() => 'nobody listens');
    }
    let answer = await book(user, key, body);
    while (answer.status === 409 && answer.body.code === 'request_in_progress')
      answer = await book(user, key, body);
    expect(answer.status).toBe(201);
    expect(await bookingsOf(user)).toEqual([{ id: answer.body.id }]);
  });
});
