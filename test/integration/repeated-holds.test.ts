import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { asOwner, expectProblem, newBooking, requestBooking, requestIntent } from '../factories.ts';
import { dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('holding the same time again and again', () => {
  let system: System;
  let guest: TestUser;
  let room_id: number;
  beforeAll(async () => {
    system = await startSystem({ settings: { LIMIT_REPEATED_HOLDS: '2' } });
  });
  afterAll(() => system.stop());

  /** A busy machine may answer 503 at first: asking again is safe. */
  const cancel = (user: TestUser, id: number) =>
    until('the cancellation', async () => {
      const { status } = await system.call('POST', `/api/bookings/${id}/cancel/`, { token: user.token });
      return status !== 503 && status;
    });

  /** A guest who has held nine to ten twice in a new room, and not paid. */
  async function holdTwice(): Promise<number[]> {
    guest = await system.newUser();
    room_id = await system.newRoom();
    const ids: number[] = [];
    for (let n = 0; n < 2; n++) {
      const { id } = await newBooking(system, guest, { room_id });
      ids.push(id);
      expect(await cancel(guest, id)).toBe(200);
    }
    return ids;
  }

  test('the third unpaid hold of a time is refused for a day, also for an overlapping range', async () => {
    await holdTwice();
    for (const [start_time, end_time] of [
      ['09:00', '10:00'],
      ['09:30', '10:30'],
      ['08:00', '12:00'],
    ]) {
      const answer = await requestBooking(system, guest, { room_id, start_time, end_time });
      expectProblem(answer, 'too_many_holds');
      const seconds = Number(answer.headers.get('Retry-After'));
      expect(seconds).toBeGreaterThan(86_000);
      expect(seconds).toBeLessThanOrEqual(86_400);
    }
  });

  test('another time, room, day or guest is not refused', async () => {
    await holdTwice();
    const stranger = await system.newUser();
    expect(
      (await requestBooking(system, guest, { room_id, start_time: '10:00', end_time: '11:00' })).status,
    ).toBe(201);
    expect((await requestBooking(system, guest, { room_id, booking_date: dayAhead(8) })).status).toBe(201);
    expect((await requestBooking(system, guest)).status).toBe(201);
    expect((await requestBooking(system, stranger, { room_id })).status).toBe(201);
  });

  test('a hold that ran out counts like one that was cancelled; a day later neither does', async () => {
    const [first] = await holdTwice();
    await rows(system.db, `update bookings set created_at = created_at - interval '24 hours' where id = ?`, [
      first,
    ]);
    const third = await newBooking(system, guest, { room_id });
    await rows(system.db, 'update bookings set hold_expires_at = now() where id = ?', [third.id]);
    await system.call('POST', '/api/cleanup-expired-bookings/');
    expectProblem(await requestBooking(system, guest, { room_id }), 'too_many_holds');
  });

  test('a booking that was paid for does not count', async () => {
    guest = await system.newUser();
    room_id = await system.newRoom();
    for (let n = 0; n < 3; n++) {
      const { id } = await newBooking(system, guest, { room_id });
      const { body } = await requestIntent(system, guest, id);
      await system.stripe.control.pay(body.payment_intent_id);
      await until('the confirmation', async () => {
        const [row] = await rows<{ status: string }>(system.db, 'select status from bookings where id = ?', [
          id,
        ]);
        return row?.status === 'confirmed';
      });
      await cancel(guest, id);
    }
    expect((await requestBooking(system, guest, { room_id })).status).toBe(201);
  });

  test('of twenty that hold and cancel at once no more than two get through', async () => {
    guest = await system.newUser();
    room_id = await system.newRoom();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const answer = await requestBooking(system, guest, { room_id });
        if (answer.status === 201) await cancel(guest, answer.body.id);
        return answer;
      }),
    );
    const held = answers.filter(({ status }) => status === 201).length;
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThanOrEqual(2);
    const made = await rows(system.db, 'select 1 from bookings where room_id = ?', [room_id]);
    expect(made).toHaveLength(held);
  });

  test('the count is read from an index', async () => {
    const { id } = await newBooking(system, await system.newUser());
    await asOwner(system, async (owner) => {
      await owner.query(
        `insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
           number_of_slots, guest_count, amount_minor, currency, hold_expires_at, workflow_id, status)
         select gen_random_uuid(), user_id, room_id, time_zone, during, booking_date - n, start_time, end_time, 2, 1,
           4000, 'usd', now(), '', 'expired' from bookings, generate_series(1, 3000) n where id = $1`,
        [id],
      );
      await owner.query('analyze bookings');
    });
    const plan = await rows<{ 'QUERY PLAN': string }>(
      system.db,
      `explain select 1 from bookings where user_id = 1 and room_id = 1 and booking_date = current_date
          and status in ('expired', 'cancelled')`,
    );
    const text = plan.map((line) => line['QUERY PLAN']).join('\n');
    expect(text).toContain('bookings_not_paid');
  });
});
