import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { changeUser } from '../../web/staff/queries/users.ts';
import { localDate } from '../../domain/slots.ts';
import { type Browser, givePassword, openBrowser, signInStaff } from '../setup/panel.ts';
import { dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('what staff does in the panel', () => {
  let system: System;
  let browser: Browser;
  let staff: TestUser;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ settings: { TEMPORAL_UI_URL: 'http://temporal-ui.example' } });
    ({ browser, staff } = await signInStaff(system));
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  async function book(startTime = '09:00', endTime = '10:00', date = dayAhead(7)) {
    const roomId = await system.newRoom();
    const body = {
      room_id: roomId,
      booking_date: date,
      start_time: startTime,
      end_time: endTime,
      guest_count: 2,
    };
    const { body: booking } = await system.call('POST', '/api/bookings/', { token: guest.token, body });
    return booking as { id: number; room_id: number; room_name: string };
  }

  const stateOf = async (id: number) => system.db('bookings').where({ id }).first();

  async function bookAndPay(date = dayAhead(7)) {
    const booking = await book('09:00', '10:00', date);
    const { body: intent } = await system.call('POST', '/api/payment-intent/', {
      token: guest.token,
      body: { booking_id: booking.id },
    });
    await system.stripe.control.pay(intent.payment_intent_id);
    await until('the confirmation', async () => (await stateOf(booking.id)).status === 'confirmed');
    return { ...booking, intentId: intent.payment_intent_id as string };
  }

  const refundsOf = async (intentId: string) => {
    const { paymentIntents } = await system.stripe.control.ledger();
    return paymentIntents.find(({ id }) => id === intentId)?.refunds;
  };

  test('a booking’s page shows its customer, money, timeline and workflow', async () => {
    const booking = await bookAndPay();
    const { text } = await browser.get(`/admin/bookings/${booking.id}`);
    const { ref } = await stateOf(booking.id);
    expect(text).toContain(guest.email);
    expect(text).toContain('USD 40.00');
    expect(text).toContain(booking.intentId);
    expect(text).toContain(`http://temporal-ui.example/namespaces/default/workflows/booking-${ref}`);
    expect(text).toMatch(/requested<\/strong><span class="by"> by customer/);
    expect(text).toMatch(/paid<\/strong><span class="by"> by bookingWorkflow/);
  });

  test('staff cancels with a refund: asked first, through the workflow, noted with the name', async () => {
    const booking = await bookAndPay(dayAhead(1));
    const path = `/admin/bookings/${booking.id}/cancel`;
    const question = await browser.get(path);
    expect(question.text).toContain('This cannot be undone');
    expect((await stateOf(booking.id)).status).toBe('confirmed');
    const answer = await browser.fill(path, { refund: 'yes' });
    expect([answer.status, answer.headers.get('location')]).toEqual([
      303,
      `/admin/bookings/${booking.id}?done=cancelled`,
    ]);
    expect((await stateOf(booking.id)).status).toBe('cancelled');
    await until('the refund', async () => (await stateOf(booking.id)).payment_status === 'refunded');
    const { text } = await browser.get(`/admin/bookings/${booking.id}?done=cancelled`);
    expect(text).toContain('The booking is cancelled.');
    expect(text).toContain(`by staff ${staff.email}`);
    const again = await browser.fill(path, { refund: 'yes' });
    expect(again.status).toBe(303);
    expect(await refundsOf(booking.intentId)).toHaveLength(1);
  });

  test('staff refunds without cancelling: the booking stays, the money goes back once, with its reason', async () => {
    const booking = await bookAndPay();
    const payment = await system.db('payments').where({ booking_id: booking.id }).first();
    const path = `/admin/bookings/${booking.id}/payments/${payment.id}/refund`;
    expect((await browser.get(path)).text).toContain('The booking stays confirmed');
    expect((await browser.fill(path, { reason: ' ' })).status).toBe(400);
    const both = await Promise.all([
      browser.fill(path, { reason: 'The heating failed' }),
      browser.fill(path, { reason: 'The heating failed' }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([303, 409]);
    await until('the refund', async () => (await stateOf(booking.id)).payment_status === 'refunded');
    expect((await stateOf(booking.id)).status).toBe('confirmed');
    expect(await refundsOf(booking.intentId)).toHaveLength(1);
    const { text } = await browser.get(`/admin/bookings/${booking.id}`);
    expect(text).toContain('The heating failed');
    expect(text).not.toContain('Refund without cancelling');
  });

  test('an unpaid hold cannot be refunded, and one that is not overdue cannot be settled', async () => {
    const booking = await book();
    await system.call('POST', '/api/payment-intent/', {
      token: guest.token,
      body: { booking_id: booking.id },
    });
    const payment = await system.db('payments').where({ booking_id: booking.id }).first();
    const refund = `/admin/bookings/${booking.id}/payments/${payment.id}/refund`;
    expect((await browser.fill(refund, { reason: 'No' })).status).toBe(409);
    expect((await browser.fill(`/admin/bookings/${booking.id}/settle`)).status).toBe(409);
    expect((await stateOf(booking.id)).status).toBe('pending');
    const cancelled = await browser.fill(`/admin/bookings/${booking.id}/cancel`);
    expect(cancelled.status).toBe(303);
    expect((await stateOf(booking.id)).status).toBe('cancelled');
    const other = await bookAndPay();
    expect((await browser.get(`/admin/bookings/${other.id}/payments/${payment.id}/refund`)).status).toBe(404);
  });

  test('the calendar of a day says of each stretch whether it is free, held or booked', async () => {
    const date = dayAhead(40);
    const booking = await book('08:30', '10:00', date);
    const { status, text } = await browser.get(`/admin/day?date=${date}&hours=all`);
    expect(status).toBe(200);
    const lane = text.slice(text.indexOf(booking.room_name)).split('</tr>')[0] ?? '';
    expect(lane).toMatch(/colspan="3" class="held"/);
    expect(lane).toContain(`href="/admin/bookings/${booking.id}"`);
    expect(lane.match(/class="free"/g)).toHaveLength(45);
    expect((await browser.get('/admin/day?date=2026-02-30')).status).toBe(400);
  });

  test('the calendar opens with today where most rooms are', async () => {
    // Twenty-five hours apart: in one of them it is another day than in UTC.
    for (const zone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
      const zones = await system.db('rooms').select('id', 'time_zone');
      await system.db('rooms').update({ time_zone: zone });
      try {
        const { text } = await browser.get('/admin/day');
        expect(text).toMatch(new RegExp(`<h1[^>]*>\\w+, ${localDate(new Date(), zone)}</h1>`));
      } finally {
        for (const { id, time_zone } of zones) await system.db('rooms').where({ id }).update({ time_zone });
      }
    }
  });

  test('a room is added and edited with every field checked', async () => {
    const fields = {
      name: `Attic ${Date.now()}`,
      description: 'Under the roof & "quiet"',
      price: '49.5',
      currency: 'EUR',
      capacity: '6',
      amenities: 'WiFi, Tea\nSofa',
      time_zone: 'Europe/Berlin',
      opening_time: '08:00',
      closing_time: '24:00',
      slot_minutes: '60',
      available: 'yes',
    };
    const wrong = {
      price: '1.234',
      currency: 'zzz',
      capacity: '0',
      time_zone: 'Europe/Atlantis',
      closing_time: '07:00',
      slot_minutes: 'x',
      name: '',
    };
    for (const [name, value] of Object.entries(wrong)) {
      const { status, text } = await browser.fill('/admin/rooms/new', { ...fields, [name]: value });
      expect(status, name).toBe(400);
      expect(text, name).toContain(`id="${name}-error"`);
    }
    for (const [currency, price, step] of [
      ['KWD', '1.234', '0.01'],
      ['ISK', '49.50', '1'],
    ] as const) {
      const { status, text } = await browser.fill('/admin/rooms/new', { ...fields, currency, price });
      expect([status, currency]).toEqual([400, currency]);
      expect(text).toContain(`Stripe only charges ${currency} in multiples of ${step}.`);
    }
    const added = await browser.fill('/admin/rooms/new', fields);
    expect(added.status).toBe(303);
    const room = await system.db('rooms').where({ name: fields.name }).first();
    expect(room).toMatchObject({
      price_minor: 4_950,
      currency: 'eur',
      amenities: ['WiFi', 'Tea', 'Sofa'],
      closing_time: '24:00:00',
    });
    expect((await browser.fill('/admin/rooms/new', fields)).status).toBe(409);

    const path = `/admin/rooms/${room.id}`;
    const edit = { ...fields, price: '60', version: '1' };
    expect((await browser.fill(path, edit)).status).toBe(303);
    const stale = await browser.fill(path, { ...edit, price: '70' });
    expect(stale.status).toBe(409);
    expect(stale.text).toContain('Somebody else has changed this room');
    expect(await system.db('rooms').where({ id: room.id }).first()).toMatchObject({
      price_minor: 6_000,
      version: 2,
    });
    expect((await browser.get(path)).text).toContain('price_minor: 4950 → 6000');
  });

  test('what staff edits counts for the next booking, also while the price is remembered', async () => {
    const roomId = await system.newRoom({ name: `Priced ${Date.now()}` });
    const ask = (hour: string) =>
      system.call('POST', '/api/bookings/', {
        token: guest.token,
        body: {
          room_id: roomId,
          booking_date: dayAhead(9),
          start_time: `${hour}:00`,
          end_time: `${hour}:30`,
          guest_count: 1,
        },
      });
    expect((await ask('09')).body.total_amount).toBe(20);
    const form = {
      name: `Priced again ${Date.now()}`,
      description: '',
      price: '33',
      currency: 'usd',
      capacity: '10',
      amenities: '',
      time_zone: 'UTC',
      opening_time: '00:00',
      closing_time: '24:00',
      slot_minutes: '30',
      version: '1',
    };
    expect((await browser.fill(`/admin/rooms/${roomId}`, { ...form, available: 'yes' })).status).toBe(303);
    expect((await ask('10')).body.total_amount).toBe(33);
    expect((await browser.fill(`/admin/rooms/${roomId}`, { ...form, version: '2' })).status).toBe(303);
    expect((await ask('11')).status).toBe(404);
  });

  test('users are made staff, deactivated and signed out, on the record; never oneself', async () => {
    const user = await system.newUser();
    const own = openBrowser(system);
    const secret = await givePassword(system, user);
    const page = `/admin/users/${user.id}`;
    expect((await browser.fill(`${page}/make_staff`)).status).toBe(303);
    expect((await own.signIn(user.email, secret)).status).toBe(303);
    expect((await own.get('/admin')).status).toBe(200);
    expect((await browser.fill(`${page}/remove_staff`)).status).toBe(303);
    expect((await own.get('/admin')).status).toBe(401);

    const login = await system.call('POST', '/api/login/', { body: { email: user.email, password: secret } });
    const refresh = /refresh_token=([^;]+)/.exec(login.headers.get('set-cookie') ?? '')?.[1] ?? '';
    expect((await browser.fill(`${page}/deactivate`)).status).toBe(303);
    const refreshed = await system.call('POST', '/api/token/refresh-cookie/', {
      headers: { Cookie: `refresh_token=${refresh}` },
    });
    expect(refreshed.status).toBe(401);
    expect(
      (await system.call('POST', '/api/login/', { body: { email: user.email, password: secret } })).status,
    ).toBe(401);
    expect((await browser.get(page)).text).toContain('deactivated');
    const trail = await system
      .db('staff_events')
      .where({ subject_kind: 'user', subject_id: user.id })
      .orderBy('id');
    expect(trail.map(({ action, actor_id }) => [action, actor_id])).toEqual([
      ['made_staff', staff.id],
      ['staff_removed', staff.id],
      ['deactivated', staff.id],
    ]);
    for (const change of ['remove_staff', 'deactivate']) {
      expect((await browser.fill(`/admin/users/${staff.id}/${change}`)).status).toBe(403);
    }
    await expect(system.db('staff_events').update({ action: 'nothing' })).rejects.toThrow(
      /permission denied|append-only/,
    );
    await expect(system.db('staff_events').delete()).rejects.toThrow(/permission denied|append-only/);
  });

  test('two who take the role from each other at once: one keeps it', async () => {
    const [one, two] = [await system.newUser({ isStaff: true }), await system.newUser({ isStaff: true })];
    const outcomes = await Promise.all([
      changeUser(system.db, one.id, two.id, 'remove_staff'),
      changeUser(system.db, two.id, one.id, 'remove_staff'),
    ]);
    expect(outcomes.sort()).toEqual(['done', 'not_allowed']);
  });

  test('the front page shows flags, overdue holds and messages that are stuck; a flag is resolved', async () => {
    await system.db('flags').insert({ kind: 'dispute', subject: 'dp_1', detail: 'Disputed: <b>look</b>' });
    const [message] = await system
      .db('outbox')
      .insert({ topic: 'start_booking', priority: 2, payload: {}, dead_at: new Date() })
      .returning('id');
    const [dead] = await system
      .db('flags')
      .insert({ kind: 'message_dead', subject: message.id, detail: 'Not delivered' })
      .returning('id');
    const booking = await book();
    await system
      .db('bookings')
      .where({ id: booking.id })
      .update({
        hold_expires_at: new Date(Date.now() - 120_000),
        settle_lease_until: new Date(Date.now() + 600_000),
      });
    const { text } = await browser.get('/admin');
    expect(text).toContain('Disputed: &lt;b>look');
    expect(text).toContain(`/admin/bookings/${booking.id}/settle`);
    expect(text).toMatch(/Undeliverable messages<\/span><span class="tile-value">1</);

    const flag = await system.db('flags').where({ kind: 'dispute' }).first();
    expect((await browser.fill(`/admin/flags/${flag.id}/resolve`, { note: 'Evidence sent' })).status).toBe(
      303,
    );
    expect((await browser.get('/admin')).text).not.toContain('Disputed');
    expect((await browser.get(`/admin/flags/${flag.id}`)).text).toContain('Evidence sent');

    await system
      .db('outbox')
      .where({ id: message.id })
      .update({ payload: { bookingRef: (await stateOf(booking.id)).ref, summary: 'again' } });
    expect((await browser.fill(`/admin/flags/${dead.id}/send-again`)).status).toBe(303);
    await until(
      'the delivery',
      async () => (await system.db('outbox').where({ id: message.id })).length === 0,
    );

    await system.db('bookings').where({ id: booking.id }).update({ settle_lease_until: null });
    const settled = await browser.fill(`/admin/bookings/${booking.id}/settle`);
    expect([303, 409]).toContain(settled.status);
    await until('the expiry', async () => (await stateOf(booking.id)).status === 'expired');
  });

  test('a hold that is kept for a payment under way needs nobody, one that nobody settles does', async () => {
    const { id: kept } = await book();
    const { id: left } = await book();
    const late = { hold_expires_at: new Date(Date.now() - 120_000) };
    const later = new Date(Date.now() + 600_000);
    await system
      .db('bookings')
      .where({ id: kept })
      .update({ ...late, settle_after: later });
    await system
      .db('bookings')
      .where({ id: left })
      .update({ ...late, settle_lease_until: later });
    const { text } = await browser.get('/admin');
    expect(text).toContain(`/admin/bookings/${left}/settle`);
    expect(text).not.toContain(`/admin/bookings/${kept}/settle`);
    expect((await system.call('GET', '/metrics')).body).toMatch(/^holds_overdue 1$/m);
    await system
      .db('bookings')
      .whereIn('id', [kept, left])
      .update({ settle_after: null, settle_lease_until: null });
  });

  test('a message that was set aside is deleted when its flag is resolved', async () => {
    const messages = [1, 2].map(() => ({ topic: 'refund', priority: 1, payload: {}, dead_at: new Date() }));
    const [message, other] = await system.db('outbox').insert(messages).returning('id');
    const [flag] = await system
      .db('flags')
      .insert({ kind: 'message_dead', subject: message.id, detail: 'Not delivered' })
      .returning('id');
    expect((await browser.get(`/admin/flags/${flag.id}/resolve`)).text).toContain('deleted unsent');
    expect((await browser.fill(`/admin/flags/${flag.id}/resolve`, { note: 'Not needed' })).status).toBe(303);
    expect(await system.db('outbox').whereIn('id', [message.id, other.id]).select('id')).toEqual([other]);
    await system.db('outbox').where({ id: other.id }).delete();
  });
});

describe('while Temporal or the worker is away', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
  });
  afterAll(() => system.stop());

  test('a cancellation says so, changes nothing, and can be repeated', async () => {
    const { browser } = await signInStaff(system);
    const guest = await system.newUser();
    const body = {
      room_id: await system.newRoom(),
      booking_date: dayAhead(7),
      start_time: '09:00',
      end_time: '10:00',
      guest_count: 2,
    };
    const { body: booking } = await system.call('POST', '/api/bookings/', { token: guest.token, body });
    const answer = await browser.fill(`/admin/bookings/${booking.id}/cancel`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(answer.text).toContain('The booking engine is not responding.');
    expect(answer.text).toContain('asking again is safe');
    expect((await browser.get('/admin')).text).toContain('no worker');
    expect(await system.db('bookings').where({ id: booking.id }).first()).toMatchObject({
      status: 'pending',
    });
  });
});
