import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repairBookings } from '../../core/reconcile/repair-bookings.ts';
import { readBookingState } from '../../db/booking-state.ts';
import { completeStayIfOver, findBooking } from '../../db/bookings.ts';
import { countOpenFlags, countOpenRefunds, countOverdueHolds, createMoveReader } from '../../db/figures.ts';
import { raiseFlag } from '../../db/flags.ts';
import { tryHoldSlot } from '../../db/hold-slot.ts';
import { claimKey, releaseKey, storeResult } from '../../db/idempotency-keys.ts';
import type { Db } from '../../db/knex.ts';
import { decidePayment } from '../../core/payments/decide-payment.ts';
import { claimMessages, deleteMessages, outboxDepth } from '../../db/outbox.ts';
import {
  expireHold,
  expireOverdueHolds,
  findOverdueHolds,
  leaseOverdueHold,
  releaseHoldLease,
} from '../../db/overdue-holds.ts';
import { instantsCheckedMax } from '../../domain/limits.ts';
import { readAttention } from '../../web/staff/queries/attention.ts';
import { findOpenPayments, openPaymentRow } from '../../db/payments.ts';
import { findTakenTimes } from '../../db/rooms.ts';
import { knownEvents, recordIntentEvents } from '../../db/stripe-events.ts';
import { watchPlans } from '../../dev/postgres/watch-plans.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { fillWithBookings } from '../setup/many-bookings.ts';

const size = { bookings: 20_000, users: 2_000, rooms: 50 };

/** What years leave beside the bookings: much that is done, and a little that is not. */
const history = [
  `insert into booking_events (booking_id, actor, to_status, cause) select id, 'x', 'pending', 'requested' from bookings`,
  `insert into stripe_events (id, type, object_id) select 'evt_' || n, 'x', 'x' from generate_series(1, 20000) n`,
  `insert into stripe_events (id, type, object_id, received_at)
   select 'evt_old_' || n, 'x', 'x', now() - interval '61 days' from generate_series(1, 20) n`,
  `insert into idempotency_keys (user_id, operation, key, fingerprint, lease_id, lease_until)
   select u.id, 'x', n::text, '', gen_random_uuid(), now() from users u, generate_series(1, 10) n`,
  `insert into sessions (id, user_id, expires_at)
   select gen_random_uuid(), u.id, now() + interval '20 days' from users u, generate_series(1, 10)`,
  `insert into refresh_tokens (token_hash, session_id, expires_at)
   select sha256(id::text::bytea), id, now() + interval '5 days' from sessions`,
  `insert into rate_limits (key, points, expire)
   select 'k' || n, 1, extract(epoch from now() + interval '1 hour')::bigint * 1000 from generate_series(1, 20000) n`,
  `insert into refunds (payment_id, booking_id, reason, amount_minor, currency, status)
   select id, booking_id, 'cancelled', 1, 'usd', 'succeeded' from payments where status = 'succeeded' order by id limit 8000`,
  `insert into flags (kind, subject, detail, resolved_at)
   select 'dispute', 's' || n, '', now() from generate_series(1, 15000) n`,
  // Messages that wait for their next try: what a poll must not read.
  `insert into outbox (topic, priority, payload, available_at)
   select 'start_booking', 2, jsonb_build_object('bookingRef', gen_random_uuid()), now() + interval '1 hour'
     from generate_series(1, 4000)`,
  // What is wrong: undecided money, PaymentIntents of dead bookings, refunds that wait, overdue holds, stays that are over.
  `insert into payments (id, ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                         amount_received_minor, updated_at)
   overriding system value
   select 1000000 + id, gen_random_uuid(), id, 2, 'pi_undecided_' || id, amount_minor, currency, 'succeeded',
          amount_minor, now() - interval '1 hour'
     from bookings where status = 'cancelled' order by id limit 5`,
  `update bookings set status = 'cancelled' where id in (select id from bookings where status = 'pending' order by id limit 5)`,
  `update refunds set status = 'pending', updated_at = now() - interval '1 hour', created_at = now() - interval '1 hour'
    where id in (select id from refunds order by id desc limit 5)`,
  `update bookings set hold_expires_at = now() - interval '1 minute'
    where id in (select id from bookings where status = 'pending' order by id limit 5)`,
  `update bookings set updated_at = now() - interval '1 hour' where status in ('pending', 'cancelled')`,
  'analyze',
];

describe('a database with 20,000 bookings', () => {
  let database: TestDatabase;
  let watched: Awaited<ReturnType<typeof watchPlans>>;
  let owner: pg.Client;
  const rowsOf = new Map<string, number>();
  beforeAll(async () => {
    database = await createTestDatabase();
    await fillWithBookings(database.ownerUrl, size);
    owner = new pg.Client({ connectionString: database.superuserUrl });
    await owner.connect();
    for (const statement of history) await owner.query(statement);
    const { rows } = await owner.query(
      `select relname as name, reltuples::int as rows from pg_class where relkind = 'r' and reltuples > 1000`,
    );
    for (const { name, rows: count } of rows) rowsOf.set(name, count);
    watched = await watchPlans(database.superuserUrl);
    await watched.db.raw(`select setval(pg_get_serial_sequence('bookings', 'id'), (select max(id) from bookings)),
                                 setval(pg_get_serial_sequence('payments', 'id'), (select max(id) from payments))`);
    watched.takeStatements();
  }, 180_000);
  afterAll(async () => {
    await owner.end();
    await watched.close();
    await database.drop();
  });

  /** Runs the work, and tells of each statement that read more rows of a large table than that. */
  async function excessesOf(rowsMax: number, work: (db: Db) => Promise<unknown>): Promise<string[]> {
    watched.takeStatements();
    await work(watched.db);
    const statements = watched.takeStatements();
    expect(statements.length).toBeGreaterThan(0);
    return statements.flatMap(({ sql, scans }) =>
      scans
        .filter(({ table, rowsRead }) => rowsOf.has(table) && rowsRead > rowsMax)
        .map(
          ({ table, rowsRead, node, condition }) =>
            `${rowsRead} of ${rowsOf.get(table)} ${table} by ${node} (${condition}): ${sql.slice(0, 120)}`,
        ),
    );
  }

  const one = async <Row>(sql: string): Promise<Row> => (await owner.query(sql)).rows[0];
  const aHold = () =>
    one<{ id: number; ref: string }>(
      `select id, ref from bookings where status = 'pending' and hold_expires_at > now() order by random() limit 1`,
    );

  test('the sweeper reads what is overdue, whatever is open', async () => {
    const excesses = await excessesOf(50, async (db) => {
      for (let time = 0; time < 7; time++) {
        // The plan of a function's statement is settled after five calls.
        await findOverdueHolds(db, 5_000, 20);
        await expireOverdueHolds(db, { lateMs: 5_000, limit: 100, actor: 'sweeper' });
      }
    });
    expect(excesses).toEqual([]);
  });

  test('a relay that polls reads what it takes', async () => {
    expect(await excessesOf(100, (db) => claimMessages(db, 64, 4_000))).toEqual([]);
    expect(await excessesOf(100, (db) => deleteMessages(db, ['1', '2', '3']))).toEqual([]);
  });

  test('a round of the reconciler reads a page of what is open, and of the rest only what is wrong', async () => {
    const workflows = { statusOf: async () => 'RUNNING', countRunning: async () => 1_000_000 };
    const deps = { stripe: null as never, log: pino({ level: 'silent' }), freeCancelHours: 24, workflows };
    // The instants of so many open bookings are compared with their wall clocks each round.
    const excesses = await excessesOf(instantsCheckedMax, async (db) => {
      const first = await repairBookings({ ...deps, db });
      expect(first).toMatchObject({
        undecidedPayments: 5,
        refundsStartedAgain: 5,
        flagged: 10,
        rowsDeleted: 20,
      });
      expect(first.failures).toEqual({});
      expect(first.sweep).toMatchObject({ hurry: false, afterId: 0, lost: 0 });
      const second = await repairBookings({ ...deps, db }, first);
      expect(second.failures).toEqual({});
    });
    expect(excesses.filter((excess) => !excess.includes(' outbox by '))).toEqual([]);
  });

  test('what Prometheus and the readiness check ask reads what is open', async () => {
    const excesses = await excessesOf(100, async (db) => {
      await countOpenFlags(db);
      await countOpenRefunds(db);
      await countOverdueHolds(db, 15_000);
      const readMoves = createMoveReader(db);
      await readMoves();
      await readMoves();
    });
    expect(excesses).toEqual([]);
    // The depth of the outbox is counted to 10,000.
    expect(await excessesOf(10_000, outboxDepth)).toEqual([]);
  });

  test('the front page of the panel reads its lists and counts open holds to 10,000', async () => {
    const excesses = await excessesOf(100, readAttention);
    expect(
      excesses.filter(
        (excess) => !/ outbox by |settle_at\(b\) >| from \(select 1 from bookings/.test(excess),
      ),
    ).toEqual([]);
  });

  test('requests read their own rows', async () => {
    const hold = await aHold();
    const { id: userId } = await one<{ id: number }>(
      'select user_id as id from bookings order by random() limit 1',
    );
    const room = await one<{ id: number; version: number }>(
      'select id, version from rooms order by id limit 1',
    );
    const startsAt = new Date(Math.ceil(Date.now() / 86_400_000 + 200) * 86_400_000);
    const date = startsAt.toISOString().slice(0, 10);
    const excesses = await excessesOf(50, async (db) => {
      const held = await tryHoldSlot(db, {
        ref: randomUUID(),
        userId,
        actor: `user:${userId}`,
        roomId: room.id,
        roomVersion: room.version,
        startsAt,
        endsAt: new Date(startsAt.getTime() + 1_800_000),
        numberOfSlots: 1,
        amountMinor: 1_000,
        currency: 'usd',
        date,
        startTime: '00:00:00',
        endTime: '00:30:00',
        guestCount: 1,
        specialRequests: null,
        holdMs: 60_000,
        horizonDays: 365,
        openHoldsMax: 5,
        repeatedHoldsMax: 3,
        summary: '',
        idempotencyLease: null,
      });
      expect(held.outcome).toBe('held');
      await findBooking(db, hold.id);
      await readBookingState(db, hold.ref);
      await openPaymentRow(db, hold.id, randomUUID());
      await findOpenPayments(db, hold.ref);
      await findTakenTimes(db, room.id, date, date);
      const call = { userId, operation: 'x', key: randomUUID(), fingerprint: Buffer.from('') };
      await claimKey(db, call, randomUUID());
      await storeResult(db, randomUUID(), 1);
      await releaseKey(db, randomUUID());
      await leaseOverdueHold(db, hold.ref, 1_000);
      await releaseHoldLease(db, hold.id, { retryInMs: 0, silentMs: 0 });
      await completeStayIfOver(db, { bookingRef: hold.ref, actor: 'x' });
      await raiseFlag(db, { kind: 'dispute', subject: 's1', detail: 'again' });
    });
    expect(excesses).toEqual([]);
  });

  test('a payment is recorded and decided, and a hold expires, by their own rows', async () => {
    const [paid, unpaid] = [await aHold(), await aHold()];
    const payment = await one<{ ref: string; intent: string; amount: number }>(
      `select ref, stripe_payment_intent_id as intent, amount_minor as amount from payments where booking_id = ${paid.id}`,
    );
    const excesses = await excessesOf(50, async (db) => {
      const event = {
        eventId: `evt_${randomUUID()}`,
        type: 'payment_intent.succeeded',
        intentId: payment.intent,
        status: 'succeeded' as const,
        amountMinor: payment.amount,
        receivedMinor: payment.amount,
        currency: 'usd',
        paymentRef: payment.ref,
        bookingRef: paid.ref,
        chargeId: null,
        eventAt: new Date().toISOString(),
      };
      await knownEvents(db, [event.eventId]);
      await recordIntentEvents(db, [event], 1_000);
      expect(await decidePayment(db, { paymentRef: payment.ref, actor: 'x' })).toBe('kept');
      await expireHold(db, { bookingRef: unpaid.ref, actor: 'x', cause: 'unpaid', leased: true });
    });
    expect(excesses).toEqual([]);
  });
});
