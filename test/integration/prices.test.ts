import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem, requestBooking } from '../factories.ts';
import { type Browser, signInStaff } from '../setup/panel.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

/** A price that Stripe refuses is refused where it is set; a total that it refuses never blocks a slot. */
describe('prices that Stripe does not charge', () => {
  let system: System;
  let browser: Browser;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    ({ browser } = await signInStaff(system));
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  const addRoom = (fields: Record<string, string>) =>
    browser.fill('/admin/rooms/new', {
      name: `Priced ${Math.random()}`,
      description: '',
      capacity: '5',
      amenities: '',
      time_zone: 'UTC',
      opening_time: '09:00',
      closing_time: '12:00',
      slot_minutes: '30',
      available: 'yes',
      ...fields,
    });

  test.each([
    ['0.30', 'usd', 'Stripe charges is 0.50 USD'],
    ['0.20', 'gbp', 'Stripe charges is 0.30 GBP'],
    ['10', 'jpy', 'Stripe charges is 50 JPY'],
    ['5', 'mxn', 'Stripe charges is 10.00 MXN'],
    ['100', 'huf', 'Stripe charges is 175.00 HUF'],
    ['0', 'usd', 'Stripe charges is 0.50 USD'],
    ['200000', 'usd', 'at most 166666.66 USD'],
    ['20000000', 'jpy', 'at most 16666666 JPY'],
    ['1000.50', 'isk', 'multiples of 1'],
  ])('%s %s is refused by the form of a room: %s', async (price, currency, why) => {
    const { status, text } = await addRoom({ price, currency });
    expect(status).toBe(400);
    expect(text).toContain(why);
  });

  test.each(['dem', 'xau', 'zzz'])('%s is no currency that Stripe charges in', async (currency) => {
    const { status, text } = await addRoom({ price: '5', currency });
    expect(status).toBe(400);
    expect(text).toContain('id="currency-error"');
  });

  test.each([
    ['0.50', 'usd'],
    ['166666.66', 'usd'],
    ['175', 'huf'],
    ['175.50', 'huf'],
    ['30.25', 'twd'],
    ['50', 'jpy'],
    ['1.230', 'kwd'],
    ['500', 'ugx'],
  ])('%s %s is taken', async (price, currency) => {
    expect((await addRoom({ price, currency })).status).toBe(303);
  });

  test.each([
    [30, 'usd'],
    [60_000_000, 'usd'],
    [10, 'jpy'],
    [550, 'isk'],
  ])(
    'a booking of two slots at %i %s, a price that was set past the form, is refused and blocks nothing',
    async (price_minor, currency) => {
      const roomId = await system.newRoom({ price_minor: currency === 'isk' ? 525 : price_minor, currency });
      const end_time = price_minor === 30 ? '09:30' : '10:00';
      const answer = await requestBooking(system, guest, { room_id: roomId, end_time });
      expectProblem(answer, 'amount_not_chargeable');
      expect(await system.db('bookings').where({ room_id: roomId })).toEqual([]);
    },
  );
});
