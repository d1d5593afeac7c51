import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { newBooking, requestIntent, showBooking } from '../factories.ts';
import { type Answer, startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

describe('the cleanup call', () => {
  let system: System;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  const cleanUp = (path = '/api/cleanup-expired-bookings') => system.call('POST', path);
  const statusOf = async (id: number): Promise<string> => (await showBooking(system, guest, id)).status;
  const lapse = (ids: number[]) =>
    rows(system.db, 'update bookings set hold_expires_at = clock_timestamp() where id = any(?)', [ids]);
  const eventsTo = (status: string) =>
    rows(system.db, 'select booking_id from booking_events where to_status = ?', [status]);

  test.each(['/api/cleanup-expired-bookings', '/api/cleanup-expired-bookings/'])(
    '%s with nothing to do says so',
    async (path) => {
      const due = await newBooking(system, guest);
      const { status, body } = await cleanUp(path);
      expect([status, body]).toEqual([200, { expired: 0, confirmed: 0, completed: 0, left: 0 }]);
      expect(await statusOf(due.id)).toBe('pending');
    },
  );

  test('OB-06 OB-07 it expires what is due and unpaid, confirms what is paid, completes what is over, and counts', async () => {
    const holds = await Promise.all(Array.from({ length: 5 }, () => newBooking(system, guest)));
    const ids = holds.map(({ id }) => id as number);
    const [paid = 0, paidUnknown = 0, over = 0, ...unpaid] = ids;
    // One payment is on record but undecided; the event of the other has not arrived.
    const intents = await Promise.all(
      [paid, paidUnknown, over, ...unpaid].map((id) => requestIntent(system, guest, id)),
    );
    await system.stripe.control.pay(intents[0]?.body.payment_intent_id);
    await until(
      'the webhook',
      async () => (await showBooking(system, guest, paid)).payment_status === 'succeeded',
    );
    await system.stripe.control.payOnCancel(intents[1]?.body.payment_intent_id);
    await rows(
      system.db,
      `update bookings set status = 'confirmed', during = tstzrange(now() - interval '2 hours', now()),
              confirmed_payment_id = (select id from payments where booking_id = bookings.id) where id = ?`,
      [over],
    );
    await lapse([paid, paidUnknown, ...unpaid]);
    const { body } = await cleanUp();
    expect(body).toEqual({ expired: 2, confirmed: 2, completed: 1, left: 0 });
    expect(await Promise.all(ids.map(statusOf))).toEqual([
      'confirmed',
      'confirmed',
      'completed',
      'expired',
      'expired',
    ]);
  });

  test('OB-06 twenty calls at once do each thing once', async () => {
    const holds = await Promise.all(Array.from({ length: 12 }, () => newBooking(system, guest)));
    const before = (await eventsTo('expired')).length;
    await lapse(holds.map(({ id }) => id));
    const answers: Answer[] = await Promise.all(Array.from({ length: 20 }, () => cleanUp()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    for (const { id } of holds) expect(await statusOf(id)).toBe('expired');
    expect((await eventsTo('expired')).length - before).toBe(12);
    expect((await cleanUp()).body).toEqual({ expired: 0, confirmed: 0, completed: 0, left: 0 });
  });

  test('OB-06 it does a bounded batch, and the next call goes on', async () => {
    const room = await system.newRoom();
    await rows(
      system.db,
      `insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time, number_of_slots,
         guest_count, amount_minor, currency, hold_expires_at, workflow_id)
       select gen_random_uuid(), ?, ?, 'UTC', tstzrange(now() + n * interval '1 day', now() + (n + 1) * interval '1 day'),
         current_date + n, '09:00', '10:00', 1, 1, 100, 'usd', now(), 'none' from generate_series(1, 130) n`,
      [guest.id, room],
    );
    const { status, body } = await cleanUp();
    expect(status).toBe(200);
    expect(body.expired).toBeGreaterThan(0);
    expect(body.expired + body.left).toBeLessThanOrEqual(100);
    await until('the end of the work', async () => {
      expect((await cleanUp()).status).toBe(200);
      const left = await rows(system.db, `select 1 from bookings where room_id = ? and status = 'pending'`, [
        room,
      ]);
      return left.length === 0;
    });
    // Each once, whoever did it: this call, the next one or the sweeper.
    const once = await rows<{ n: number }>(
      system.db,
      `select count(*)::int as n from booking_events e join bookings b on b.id = e.booking_id
        where b.room_id = ? and e.to_status = 'expired'`,
      [room],
    );
    expect(once).toEqual([{ n: 130 }]);
  });

  test('a hold whose Stripe does not answer is left for later', async () => {
    const hold = await newBooking(system, guest);
    await requestIntent(system, guest, hold.id);
    await lapse([hold.id]);
    await system.stripe.control.setLatency(2_500);
    const begun = performance.now();
    const { status, body } = await cleanUp();
    expect(performance.now() - begun).toBeLessThan(timely(2_800));
    await system.stripe.control.setLatency(0);
    expect([status, body]).toEqual([200, { expired: 0, confirmed: 0, completed: 0, left: 1 }]);
    await until('the expiry', async () => (await statusOf(hold.id)) === 'expired', 15_000);
  });
});
