import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createRelay } from '../../api/relay/relay.ts';
import { isPoison } from '../../api/relay/grpc-errors.ts';
import { createWorkflowClient, type WorkflowClient } from '../../api/relay/workflow-client.ts';
import { rows } from '../../db/knex.ts';
import { asOwner, newBooking, requestBooking } from '../factories.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('the outbox', () => {
  let system: System;
  let guest: TestUser;
  let connection: Connection;
  let temporal: Client;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    guest = await system.newUser();
    const { address, namespace } = inject('temporal');
    connection = await Connection.connect({ address });
    temporal = new Client({ connection, namespace });
  });
  afterAll(async () => {
    await connection.close();
    await system.stop();
  });

  const refOf = async (id: number) =>
    (await rows<{ ref: string }>(system.db, 'select ref from bookings where id = ?', [id]))[0]?.ref ?? '';
  const isEmpty = async () =>
    (await rows(system.db, 'select 1 from outbox where dead_at is null')).length === 0;
  const exists = async (sql: string) => (await rows(system.db, sql)).length > 0;
  const runsOf = async (ref: string) => {
    const { status, runId } = await temporal.workflow.getHandle(`booking-${ref}`).describe();
    return { status: status.name, runId };
  };
  const enqueue = (topic: string, payload: object, priority = 2) =>
    rows(system.db, 'insert into outbox (topic, priority, payload) values (?, ?, ?)', [
      topic,
      priority,
      JSON.stringify(payload),
    ]);

  test('OB-01 the message is written with the booking: with neither, or with both', async () => {
    const { relay } = system.server.deps;
    await relay.stop();
    const booking = await newBooking(system, guest);
    const messages = await rows(system.db, 'select topic, payload from outbox');
    const ref = await refOf(booking.id);
    expect(messages).toEqual([
      {
        topic: 'start_booking',
        payload: { bookingRef: ref, summary: expect.stringContaining(`Room ${booking.room_id}`) },
      },
    ]);
    expect(JSON.stringify(messages)).not.toContain('@');
    // The process died here. Another one finds the message when its lease is over.
    const [lease] = await rows<{ ms: number }>(
      system.db,
      `select extract(epoch from max(available_at) - clock_timestamp())::float8 * 1000 as ms from outbox`,
    );
    expect(lease?.ms).toBeLessThanOrEqual(4_000);
    await rows(system.db, 'update outbox set available_at = now()');
    relay.start();
    await until('the start', isEmpty);
    expect((await runsOf(ref)).status).toBe('RUNNING');
  });

  test('OB-01 a booking whose message cannot be written is none', async () => {
    const refuse = 'add constraint refused check (topic <> $$start_booking$$) not valid';
    await asOwner(system, (owner) => owner.query(`alter table outbox ${refuse}`));
    const room = await system.newRoom();
    expect((await requestBooking(system, guest, { room_id: room })).status).toBe(500);
    await asOwner(system, (owner) => owner.query('alter table outbox drop constraint refused'));
    expect(await rows(system.db, 'select 1 from bookings where room_id = ?', [room])).toEqual([]);
    expect((await requestBooking(system, guest, { room_id: room })).status).toBe(201);
    await until('the start', isEmpty);
  });

  test('TM-03 a message carried twice starts one workflow', async () => {
    const { id } = await newBooking(system, guest);
    await until('the start', isEmpty);
    const ref = await refOf(id);
    const first = await runsOf(ref);
    for (let n = 0; n < 3; n++) await enqueue('start_booking', { bookingRef: ref, summary: 'again' });
    await until('the repeats', isEmpty);
    expect(await runsOf(ref)).toEqual(first);
  });

  test('a start that its payment has overtaken is not sent, and one that is left later, as a repair, is', async () => {
    const { db, workflows, relay: systemsOwn } = system.server.deps;
    await systemsOwn.stop();
    const sent: string[] = [];
    const relay = createRelay({
      db,
      log: pino({ level: 'silent' }),
      traffic: { inFlight: 0, begun: 0 },
      workflows: {
        ...workflows,
        startBooking: async (ref, summary) => {
          sent.push('start');
          await workflows.startBooking(ref, summary);
        },
        signalPayment: async (event, id) => {
          sent.push('payment');
          await workflows.signalPayment(event, id);
        },
      },
    });
    const bookingRef = randomUUID();
    await enqueue('start_booking', { bookingRef, summary: '' }, 2);
    await enqueue('payment', { bookingRef, intentId: 'pi_1', verify: false }, 1);
    relay.start();
    try {
      await until('both', isEmpty);
      expect(sent).toEqual(['payment']);
      expect((await runsOf(bookingRef)).status).toBe('RUNNING');
      await enqueue('start_booking', { bookingRef, summary: '' }, 2);
      await until('the repair', isEmpty);
      expect(sent).toEqual(['payment', 'start']);
    } finally {
      await relay.stop();
      systemsOwn.start();
    }
  });

  test('OB-02 four relays share the messages, and each is effective once', async () => {
    const { db, workflows } = system.server.deps;
    const started: string[] = [];
    const counting = {
      ...workflows,
      startBooking: async (ref: string, summary: string) => {
        started.push(ref);
        await workflows.startBooking(ref, summary);
      },
    };
    await system.server.deps.relay.stop();
    const refs = Array.from({ length: 40 }, () => randomUUID());
    for (const bookingRef of refs) await enqueue('start_booking', { bookingRef, summary: '' });
    const relays = [1, 2, 3, 4].map(() =>
      createRelay({
        db,
        workflows: counting,
        log: pino({ level: 'silent' }),
        traffic: { inFlight: 0, begun: 0 },
      }),
    );
    for (const relay of relays) relay.start();
    await until('all messages carried', isEmpty);
    for (const relay of relays) await relay.stop();
    system.server.deps.relay.start();
    expect(started.sort()).toEqual(refs.sort());
    expect((await runsOf(refs[0] ?? '')).status).toBe('RUNNING');
  });

  test('payments that come all at once are carried at once, however many', async () => {
    const { db, relay: systemsOwn } = system.server.deps;
    await systemsOwn.stop();
    const carried: string[] = [];
    const workflows = {
      signalPayment: async (_: unknown, id: string) => {
        await sleep(20);
        carried.push(id);
      },
    } as unknown as WorkflowClient;
    const traffic = { inFlight: 0, begun: 0 };
    const relay = createRelay({ db, workflows, log: pino({ level: 'silent' }), traffic });
    relay.start();
    try {
      // As a webhook leaves them: in the table, and leased to its own process, here for long.
      const written = await rows<{ id: string }>(
        db,
        `insert into outbox (topic, priority, payload, available_at)
         select 'payment', 1, jsonb_build_object('bookingRef', gen_random_uuid(), 'intentId', 'pi_' || n,
                'verify', false), clock_timestamp() + interval '1 hour'
           from generate_series(1, 500) n returning id`,
      );
      for (const { id } of written) {
        const payload = { bookingRef: randomUUID(), intentId: 'pi', verify: false };
        relay.accept({ id, topic: 'payment', payload });
      }
      await until('all of them', isEmpty);
      expect(new Set(carried).size).toBe(500);
      expect(carried).toHaveLength(500);
    } finally {
      await relay.stop();
      systemsOwn.start();
    }
  });

  describe('while the API is busy', () => {
    /** A relay of its own beside the system's stopped one, whose API answers 500 requests a second. */
    async function relayOfBusyApi() {
      const { db, relay: systemsOwn } = system.server.deps;
      await systemsOwn.stop();
      const traffic = { inFlight: 4, begun: 0 };
      const load = setInterval(() => (traffic.begun += 10), 20);
      const carried: string[] = [];
      const workflows = {
        startBooking: async (ref: string) => void carried.push(ref),
        signalPayment: async ({ bookingRef }: { bookingRef: string }) => void carried.push(bookingRef),
      } as unknown as WorkflowClient;
      const relay = createRelay({ db, workflows, log: pino({ level: 'silent' }), traffic });
      relay.start();
      await sleep(500);
      return {
        relay,
        carried,
        quieten: () => clearInterval(load),
        async stop() {
          clearInterval(load);
          await relay.stop();
          await rows(db, 'delete from outbox');
          systemsOwn.start();
        },
      };
    }
    const enqueueStarts = (count: number, ageSeconds: number) =>
      rows(
        system.db,
        `insert into outbox (topic, priority, payload, created_at)
         select 'start_booking', 2, jsonb_build_object('bookingRef', gen_random_uuid(), 'summary', ''),
                now() - ? * interval '1 second' from generate_series(1, ?)`,
        [ageSeconds, count],
      );

    test('S1 starts wait in the table, payments go at once, and all are carried when it is quiet', async () => {
      const busy = await relayOfBusyApi();
      try {
        const payment = { bookingRef: 'paid', intentId: 'pi_1', verify: false };
        busy.relay.accept({ id: '-1', topic: 'payment', payload: payment });
        busy.relay.accept({ id: '-2', topic: 'start_booking', payload: { bookingRef: 'held', summary: '' } });
        await until('the payment', async () => busy.carried.length > 0);
        expect(busy.carried).toEqual(['paid']);
        await enqueueStarts(200, 1);
        await sleep(1_500);
        expect(busy.carried.length).toBeLessThan(40);
        busy.quieten();
        await until('the starts', async () => busy.carried.length === 201);
      } finally {
        await busy.stop();
      }
    });

    test('S1 starts that have waited long are carried however busy it is', async () => {
      const busy = await relayOfBusyApi();
      try {
        await enqueueStarts(150, 90);
        await until('the starts', async () => busy.carried.length === 150);
      } finally {
        await busy.stop();
      }
    });
  });

  test('a message of a topic that this build does not know waits, is counted, and holds up nobody', async () => {
    await asOwner(system, (owner) => owner.query('alter table outbox drop constraint outbox_topic_known'));
    await enqueue('of_a_newer_build', { bookingRef: randomUUID() }, 1);
    const bookingRef = randomUUID();
    await enqueue('start_booking', { bookingRef, summary: '' });
    await until('the start', () => runsOf(bookingRef).catch(() => undefined));
    await until('the deletion', async () => {
      const left = await rows<{ topic: string }>(system.db, 'select topic from outbox where dead_at is null');
      return left.length === 1 && left[0]?.topic === 'of_a_newer_build';
    });
    expect(
      await rows(system.db, `select attempts, last_error from outbox where topic = 'of_a_newer_build'`),
    ).toEqual([{ attempts: 0, last_error: null }]);
    const { body } = await system.call('GET', '/metrics');
    expect(body).toMatch(/^outbox_messages_unknown 1$/m);
    expect(body).toMatch(/^outbox_oldest_seconds 0$/m);
    await rows(system.db, `delete from outbox where topic = 'of_a_newer_build'`);
  });

  test('OB-03 a message that cannot be delivered blocks nobody, and ends aside with a flag', async () => {
    const orphan = { bookingRef: randomUUID(), intentId: 'pi_orphan', verify: true };
    await enqueue('orphan_payment', orphan, 1);
    const { id } = await newBooking(system, guest);
    const ref = await refOf(id);
    await until(
      'the others',
      async () =>
        (await rows(system.db, 'select 1 from outbox where topic = ?', ['start_booking'])).length === 0,
    );
    expect((await runsOf(ref)).status).toBe('RUNNING');
    await until(
      'the first failure',
      async () => (await rows(system.db, 'select 1 from outbox where last_error is not null')).length === 1,
    );
    await rows(system.db, 'update outbox set attempts = 11, available_at = now()');
    await until(
      'the end',
      async () => (await rows(system.db, 'select 1 from outbox where dead_at is not null')).length === 1,
    );
    expect(await rows(system.db, `select kind from flags`)).toEqual([{ kind: 'message_dead' }]);
    const { body } = await system.call('GET', '/readyz');
    expect(body.outbox).toMatchObject({ waiting: 0, dead: 1 });
  });

  test('OB-03 a message that is sent again and dies again has its flag again', async () => {
    await rows(system.db, 'delete from outbox');
    await rows(system.db, 'delete from flags');
    await enqueue('orphan_payment', { bookingRef: randomUUID(), intentId: 'pi_again', verify: true }, 1);
    await rows(system.db, 'update outbox set attempts = 11');
    const openFlags = () => rows(system.db, 'select kind from flags where resolved_at is null');
    await until('the flag', async () => (await openFlags()).length > 0);
    await rows(system.db, 'update flags set resolved_at = now()');
    await rows(system.db, 'update outbox set dead_at = null, attempts = 11, available_at = now()');
    await until('the flag again', async () => (await openFlags()).length > 0);
    expect(await openFlags()).toEqual([{ kind: 'message_dead' }]);
  });

  test('OB-03 a message that waits for its next try is no lag, one that Temporal has not taken is', async () => {
    const { relay } = system.server.deps;
    const oldestSeconds = async () =>
      (await system.call('GET', '/readyz')).body.outbox.oldest_seconds as number;
    const backdate = () => rows(system.db, `update outbox set created_at = now() - interval '2 minutes'`);
    await rows(system.db, 'delete from outbox');
    await enqueue('orphan_payment', { bookingRef: randomUUID(), intentId: 'pi_waits', verify: true }, 1);
    await until('the failure', () => exists('select 1 from outbox where last_error is not null'));
    await backdate();
    expect(await oldestSeconds()).toBe(0);
    await relay.stop();
    await enqueue('start_booking', { bookingRef: randomUUID(), summary: '' });
    await rows(system.db, `update outbox set available_at = now() + interval '4 seconds'`);
    await backdate();
    expect(await oldestSeconds()).toBeGreaterThanOrEqual(120);
    relay.start();
  });

  const tooLong = 'x'.repeat(2_000);
  test.each([
    ['start_booking', { bookingRef: tooLong, summary: '' }],
    ['payment', { bookingRef: tooLong, intentId: 'pi_1', verify: false }],
    ['refund', { bookingRef: tooLong, refundRef: tooLong }],
  ])('OB-03 a %s that Temporal itself refuses is no outage either', async (topic, payload) => {
    await rows(system.db, 'delete from outbox');
    await rows(system.db, 'delete from flags');
    const { stats } = system.server.deps.relay;
    const outagesBefore = stats.outages;
    await enqueue(topic, payload, 1);
    await until('the refusal', () => exists('select 1 from outbox where last_error is not null'));
    const { id } = await newBooking(system, guest);
    await until('the others', async () => !(await exists('select 1 from outbox where last_error is null')));
    expect((await runsOf(await refOf(id))).status).toBe('RUNNING');
    await rows(system.db, 'update outbox set attempts = 11, available_at = now()');
    await until('the flag', () => exists(`select 1 from flags where kind = 'message_dead'`));
    expect(stats.outages).toBe(outagesBefore);
  });

  test('a search attribute that the namespace has lost is no fault of the message', async () => {
    const namespace = `lost-${randomUUID()}`;
    const { workflowService, operatorService } = connection;
    const searchAttributes = { BookingStatus: 2 };
    const seconds = 86_400 as never; // The SDK's types ask for a Long; a number does.
    await workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: { seconds } });
    await until('the attribute', () =>
      operatorService.addSearchAttributes({ namespace, searchAttributes }).catch(() => undefined),
    );
    const workflows = createWorkflowClient({ ...system.config.temporal, namespace });
    const start = () => workflows.startBooking(randomUUID(), '');
    const refusal = () =>
      start().then(
        () => undefined,
        (error: unknown) => error,
      );
    await until('a start', async () => !(await refusal()));
    await operatorService.removeSearchAttributes({ namespace, searchAttributes: ['BookingStatus'] });
    expect(isPoison(await until('a refusal', refusal))).toBe(false);
    await start();
    await workflows.close();
  });
});
