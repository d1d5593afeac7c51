import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { asOwner, expectProblem, requestBooking } from '../factories.ts';
import { type Proxy, startProxy } from '../setup/proxy.ts';
import { type Answer, startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

describe('when Postgres is slow, locked or away', () => {
  let system: System;
  let guest: TestUser;
  let proxy: Proxy;
  beforeAll(async () => {
    proxy = await startProxy(new URL(inject('postgres').appUrl).host);
    system = await startSystem({ worker: false, databaseAddress: proxy.address });
    guest = await system.newUser();
  });
  afterAll(async () => {
    proxy.set('forward');
    await system.stop();
    await proxy.stop();
  });

  async function timed(ask: () => Promise<Answer>): Promise<{ answer: Answer; ms: number }> {
    const begun = performance.now();
    const answer = await ask();
    return { answer, ms: performance.now() - begun };
  }
  const getRooms = () => system.call('GET', '/api/rooms/');
  const recovered = () => until('the recovery', async () => (await getRooms()).status === 200, 10_000);

  /** Makes every insert of a booking fail with the SQLSTATE, so many times. */
  async function failInserts(sqlState: string, times: number) {
    await asOwner(system, (owner) =>
      owner.query(`
        drop trigger if exists injected on bookings;
        drop sequence if exists injected_count;
        create sequence injected_count;
        grant usage, select on injected_count to public;
        create or replace function injected() returns trigger language plpgsql as $$
        begin
          -- A sequence is not rolled back with the failure.
          if nextval('injected_count') <= ${times} then
            raise exception 'injected' using errcode = '${sqlState}';
          end if;
          return new;
        end $$;
        create trigger injected before insert on bookings for each row execute function injected();
      `),
    );
  }
  const attempts = async () => {
    const [found] = await rows<{ n: string }>(system.db, 'select last_value as n from injected_count');
    return Number(found?.n);
  };
  const stopFailing = () => asOwner(system, (owner) => owner.query('drop trigger injected on bookings'));

  test.each(['40P01', '40001'])(
    'PG-06 a transaction that fails with %s is tried again, and the client sees 201',
    async (code) => {
      await failInserts(code, 3);
      expect((await requestBooking(system, guest)).status).toBe(201);
      expect(await attempts()).toBe(4);
      await stopFailing();
    },
  );

  test.each(['40P01', '40001'])(
    'PG-06 one that goes on failing with %s is given up with 503 and Retry-After',
    async (code) => {
      await failInserts(code, 1_000);
      const answer = await requestBooking(system, guest);
      expectProblem(answer, 'database_unavailable');
      expect(answer.headers.get('Retry-After')).toBe('1');
      expect(await attempts()).toBe(4);
      await stopFailing();
    },
  );

  test('PG-06 a violated constraint is not tried again', async () => {
    await failInserts('23505', 1);
    expectProblem(await requestBooking(system, guest), 'internal_error');
    expect(await attempts()).toBe(1);
    await stopFailing();
  });

  test('PG-07 the connections of the API limit statements, locks and idle transactions', async () => {
    const settings: Record<string, string> = {};
    for (const name of ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']) {
      const [row] = await rows<Record<string, string>>(system.db, `show ${name}`);
      Object.assign(settings, row);
    }
    expect(settings).toEqual({
      statement_timeout: '2s',
      lock_timeout: '1500ms',
      idle_in_transaction_session_timeout: '10s',
    });
  });

  test('PG-07 a locked table makes a request 503 within three seconds, not hang', async () => {
    await asOwner(system, async (owner) => {
      await owner.query('begin; lock table bookings');
      const { answer, ms } = await timed(() => requestBooking(system, guest));
      expectProblem(answer, 'database_unavailable');
      expect(ms).toBeLessThan(timely(3_000));
      await owner.query('rollback');
    });
    expect((await requestBooking(system, guest)).status).toBe(201);
  });

  test('PG-07 a statement that takes too long is given up with 503', async () => {
    await asOwner(system, (owner) =>
      owner.query(
        'alter table rooms rename to rooms_kept; create view rooms as select kept.* from rooms_kept kept, pg_sleep(5); grant select on rooms to public',
      ),
    );
    const { answer, ms } = await timed(getRooms);
    await asOwner(system, (owner) => owner.query('drop view rooms; alter table rooms_kept rename to rooms'));
    expectProblem(answer, 'database_unavailable');
    expect(ms).toBeLessThan(timely(3_000));
    await recovered();
  });

  test('PG-08 with every answer five seconds late, 200 requests at once get 503 within three seconds', async () => {
    proxy.set(5_000);
    const results = await Promise.all(Array.from({ length: 200 }, () => timed(getRooms)));
    proxy.set('forward');
    const again = performance.now();
    for (const { answer, ms } of results) {
      expect(answer.status).toBe(503);
      expect(answer.headers.get('Content-Type')).toContain('application/problem+json');
      expect(answer.headers.get('Retry-After')).not.toBeNull();
      expect(ms).toBeLessThan(timely(3_000));
    }
    await recovered();
    expect(performance.now() - again).toBeLessThan(timely(10_000));
  });

  test('PG-08 ST-07 while Postgres is frozen no request hangs, and the pool recovers', async () => {
    await Promise.all(Array.from({ length: 10 }, getRooms)); // Connections are open: they freeze as well.
    proxy.set('freeze');
    const token = guest.token;
    const body = JSON.stringify({
      id: 'evt_1',
      object: 'event',
      type: 'payment_intent.succeeded',
      created: 1,
      livemode: false,
      data: {
        object: {
          id: 'pi_1',
          object: 'payment_intent',
          status: 'succeeded',
          amount: 4_000,
          amount_received: 4_000,
          currency: 'usd',
          metadata: { booking_ref: randomUUID(), payment_ref: randomUUID() },
        },
      },
    });
    const asks = [
      getRooms,
      () => system.call('GET', '/api/bookings/', { token }),
      () => system.call('GET', '/api/bookings/1/', { token }),
      () => system.call('POST', '/api/bookings/1/cancel/', { token }),
      () => system.call('POST', '/api/payment-intent/', { token, body: { booking_id: 1 } }),
      () => requestBooking(system, guest, { room_id: 1 }),
      () => system.call('POST', '/api/cleanup-expired-bookings/'),
      () => system.call('POST', '/api/token/refresh-cookie/', { headers: { Cookie: 'refresh_token=x' } }),
      () =>
        system.call('POST', '/api/stripe-webhook/', { body, headers: { 'Stripe-Signature': sign(body) } }),
      () => system.call('GET', '/readyz'),
    ];
    const results = await Promise.all([...asks, ...asks].map(timed));
    for (const [n, { answer, ms }] of results.entries()) {
      expect([n % asks.length, answer.status]).toEqual([n % asks.length, 503]);
      expectProblem(answer, answer.body.code);
      expect(ms).toBeLessThan(timely(3_000));
    }
    const alive = await timed(() => system.call('GET', '/livez'));
    expect(alive.answer.status).toBe(200);
    expect(alive.ms).toBeLessThan(timely(500));
    proxy.set('forward');
    await recovered();
    expect((await requestBooking(system, guest)).status).toBe(201);
  });

  const sign = (payload: string) =>
    system.server.deps.stripe.webhooks.generateTestHeaderString({ payload, secret: 'whsec_emulator' });

  test('PG-09 while Postgres refuses connections the answer is 503 at once, and the process lives on', async () => {
    proxy.set('refuse');
    const results = await Promise.all(Array.from({ length: 20 }, () => timed(getRooms)));
    for (const { answer, ms } of results) {
      expectProblem(answer, 'database_unavailable');
      expect(ms).toBeLessThan(timely(2_000));
    }
    expectProblem(await system.call('GET', '/readyz'), 'database_unavailable');
    proxy.set('forward');
    await recovered();
  });

  test('PG-09 connections that the server ends are replaced without a failed request', async () => {
    await Promise.all(Array.from({ length: 10 }, getRooms));
    const ended = await rows<{ pid: number }>(
      system.db,
      `select pid, pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`,
    );
    expect(ended.length).toBeGreaterThan(0);
    // Ending is a signal to each: a busy machine takes a while to act on all of them.
    const pids = ended.map(({ pid }) => pid);
    await until('the end of the connections', async () => {
      const left = await rows(system.db, 'select 1 from pg_stat_activity where pid = any(?)', [pids]).catch(
        () => [1],
      );
      return left.length === 0;
    });
    await recovered();
    const results = await Promise.all(Array.from({ length: 20 }, getRooms));
    expect(results.map(({ status }) => status)).toEqual(Array(20).fill(200));
  });
});
