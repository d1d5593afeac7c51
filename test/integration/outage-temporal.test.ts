import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { expectProblem, newBooking, requestBooking, requestIntent, showBooking } from '../factories.ts';
import { type Proxy, startProxy } from '../setup/proxy.ts';
import { type Answer, startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

type Worker = Awaited<ReturnType<System['startWorker']>>;

describe('while Temporal is away', () => {
  let system: System;
  let guest: TestUser;
  let proxy: Proxy;
  let worker: Worker | undefined;
  let connection: Connection;
  let temporal: Client;
  beforeAll(async () => {
    const { address, namespace } = inject('temporal');
    proxy = await startProxy(address);
    proxy.set('refuse'); // TM-02: the API starts without it.
    system = await startSystem({
      worker: false,
      settings: { TEMPORAL_ADDRESS: proxy.address, HOLD_MINUTES: '30' },
    });
    guest = await system.newUser();
    connection = await Connection.connect({ address });
    temporal = new Client({ connection, namespace });
  });
  afterAll(async () => {
    proxy.set('forward');
    await worker?.stop();
    await connection.close();
    await system.stop();
    await proxy.stop();
  });

  async function timed(ask: () => Promise<Answer>): Promise<{ answer: Answer; ms: number }> {
    const begun = performance.now();
    const answer = await ask();
    return { answer, ms: performance.now() - begun };
  }
  const statusOf = async (id: number): Promise<string> => (await showBooking(system, guest, id)).status;
  const outboxIsEmpty = async () => (await rows(system.db, 'select 1 from outbox limit 1')).length === 0;
  const webhooks = () => system.stripe.control.deliveries({ type: 'payment_intent.succeeded' });
  const lapse = (id: number, lateMs = 0) =>
    rows(
      system.db,
      `update bookings set hold_expires_at = clock_timestamp() - ? * interval '1 millisecond' where id = ?`,
      [lateMs, id],
    );

  /** A whole visit: book, ask for the PaymentIntent, pay, receive the webhook. Each step in under 1.5 s. */
  async function visit(): Promise<number> {
    const booked = await timed(() => requestBooking(system, guest));
    expect(booked.answer.status).toBe(201);
    const { id } = booked.answer.body;
    const opened = await timed(() => requestIntent(system, guest, id));
    expect(opened.answer.status).toBe(201);
    const before = (await webhooks()).length;
    await system.stripe.control.pay(opened.answer.body.payment_intent_id);
    const delivery = await until('the webhook', async () => {
      const made = await webhooks();
      return made.length > before && made.at(-1);
    });
    expect(delivery.status).toBe(200);
    for (const { ms } of [booked, opened]) expect(ms).toBeLessThan(timely(1_500));
    return id;
  }

  for (const mode of ['refuse', 'freeze'] as const) {
    test(`TM-01 TM-02 with Temporal ${mode === 'refuse' ? 'refusing' : 'frozen'}, visits are taken, and carried out when it is back`, async () => {
      proxy.set(mode);
      const ids: number[] = [];
      for (let n = 0; n < 3; n++) ids.push(await visit());
      const crowd = await Promise.all(
        Array.from({ length: 30 }, () => timed(() => requestBooking(system, guest))),
      );
      for (const { answer, ms } of crowd) {
        expect(answer.status).toBe(201);
        expect(ms).toBeLessThan(timely(1_500));
      }
      const ready = await timed(() => system.call('GET', '/readyz'));
      expect(ready.answer.body).toMatchObject({ status: 'degraded', postgres: 'ok', temporal: 'degraded' });
      expect(ready.answer.status).toBe(200);
      const cancelled = await timed(() =>
        system.call('POST', `/api/bookings/${ids[0]}/cancel/`, { token: guest.token }),
      );
      expectProblem(cancelled.answer, 'workflow_unavailable');
      expect(Number(cancelled.answer.headers.get('Retry-After'))).toBeGreaterThan(0);
      expect(cancelled.ms).toBeLessThan(timely(3_000));
      expect(await Promise.all(ids.map(statusOf))).toEqual(['pending', 'pending', 'pending']);

      proxy.set('forward');
      worker = await system.startWorker();
      await until('all messages carried', outboxIsEmpty, 30_000);
      for (const id of ids)
        await until('the confirmation', async () => (await statusOf(id)) === 'confirmed', 20_000);
      const [row] = await rows<{ ref: string }>(system.db, 'select ref from bookings where id = ?', [
        crowd[0]?.answer.body.id,
      ]);
      const { status } = await temporal.workflow.getHandle(`booking-${row?.ref}`).describe();
      expect(status.name).toBe('RUNNING');
      await until('readiness', async () => (await system.call('GET', '/readyz')).body.status === 'ok');
      await worker.stop();
      worker = undefined;
    }, 60_000);
  }

  test('an overdue hold that a new booking wants is settled in the request', async () => {
    proxy.set('refuse');
    const old = await newBooking(system, guest);
    const { body } = await requestIntent(system, guest, old.id);
    await lapse(old.id);
    const { answer, ms } = await timed(() => requestBooking(system, guest, { room_id: old.room_id }));
    expect(answer.status).toBe(201);
    expect(ms).toBeLessThan(timely(1_500));
    expect(await statusOf(old.id)).toBe('expired');
    const { paymentIntents } = await system.stripe.control.ledger();
    expect(paymentIntents.find(({ id }) => id === body.payment_intent_id)?.status).toBe('canceled');
  });

  test('ST-18 an overdue hold that Stripe says is paid is confirmed in the request, and the slot stays taken', async () => {
    proxy.set('refuse');
    const old = await newBooking(system, guest);
    const { body } = await requestIntent(system, guest, old.id);
    await system.stripe.control.payOnCancel(body.payment_intent_id);
    await lapse(old.id);
    const answer = await requestBooking(system, guest, { room_id: old.room_id });
    expectProblem(answer, 'slot_taken');
    expect(await statusOf(old.id)).toBe('confirmed');
  });

  test('when Stripe is too slow for the settlement, the request gets 409 and Retry-After, and may be repeated', async () => {
    proxy.set('refuse');
    const old = await newBooking(system, guest);
    await requestIntent(system, guest, old.id);
    await lapse(old.id);
    await system.stripe.control.setLatency(1_300);
    const { answer, ms } = await timed(() => requestBooking(system, guest, { room_id: old.room_id }));
    await system.stripe.control.setLatency(0);
    expectProblem(answer, 'slot_taken');
    expect(answer.headers.get('Retry-After')).toBe('1');
    expect(ms).toBeLessThan(timely(2_000));
    await until(
      'the slot',
      async () => (await requestBooking(system, guest, { room_id: old.room_id })).status === 201,
    );
  });

  test('the sweeper settles holds that no request asks about, while Temporal and the worker are down', async () => {
    proxy.set('refuse');
    const [unpaid, paid, young] = [
      await newBooking(system, guest),
      await newBooking(system, guest),
      await newBooking(system, guest),
    ];
    const { body } = await requestIntent(system, guest, paid.id);
    await system.stripe.control.payOnCancel(body.payment_intent_id);
    await Promise.all([lapse(unpaid.id, 5_000), lapse(paid.id, 5_000)]);
    await until('the expiry', async () => (await statusOf(unpaid.id)) === 'expired');
    await until('the confirmation', async () => (await statusOf(paid.id)) === 'confirmed');
    expect(await statusOf(young.id)).toBe('pending');
    const actors = await rows(
      system.db,
      `select actor from booking_events where booking_id = any(?) and from_status = 'pending'`,
      [[unpaid.id, paid.id]],
    );
    expect(actors).toEqual([{ actor: 'sweeper' }, { actor: 'sweeper' }]);
  });

  test('hundreds of holds that lapse together do not wait for each other', async () => {
    proxy.set('refuse');
    const { room_id } = await newBooking(system, guest);
    const count = 400;
    await rows(
      system.db,
      `insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time, number_of_slots,
                             guest_count, amount_minor, currency, hold_expires_at, workflow_id)
       select ref, ?, ?, 'UTC', tstzrange(day + interval '9 hours', day + interval '10 hours'), day::date, '09:00', '10:00', 2,
              1, 1000, 'usd', clock_timestamp() - interval '5 seconds', 'booking-' || ref
         from (select gen_random_uuid() as ref, date_trunc('day', now(), 'UTC') + n * interval '1 day' as day
                 from generate_series(400, 399 + ?::integer) n) slots`,
      [guest.id, room_id, count],
    );
    const begun = performance.now();
    const open = `select 1 from bookings where room_id = ? and status = 'pending' and hold_expires_at < now() limit 1`;
    await until('all slots', async () => (await rows(system.db, open, [room_id])).length === 0, 15_000);
    // Twenty every two seconds would take forty seconds.
    expect(performance.now() - begun).toBeLessThan(timely(15_000));
  });
});
