import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Db, rows } from '../../db/knex.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { moneySteps, playMoney } from './model/play-money.ts';

/** `npm run model -- --sequences 10000` plays more of them; a failure prints the seed that plays it again. */
const sequences = Number(process.env['MODEL_SEQUENCES'] ?? 120);
const seed = Number(process.env['MODEL_SEED'] ?? Date.now() % 2 ** 31);

let database: TestDatabase;
let db: Db;
const room = { roomId: 0, userId: 0 };
beforeAll(async () => {
  database = await createTestDatabase();
  const owner = connectDatabase(database.ownerUrl, { poolMax: 1, applicationName: 'test' });
  await rows(owner, 'create sequence model_slot');
  await rows(owner, 'grant usage on sequence model_slot to public');
  await owner.destroy();
  db = connectDatabase(database.url, { poolMax: 4, acquireMs: 20_000, applicationName: 'test' });
  const [made] = await rows<{ roomId: number; userId: number }>(
    db,
    `with guest as (insert into users (email, password_hash) values ('model@example.com', 'none') returning id),
          room as (insert into rooms (name, price_minor, currency, capacity, opening_time, closing_time, time_zone)
                   values ('Model', 2000, 'usd', 4, '00:00', '24:00', 'UTC') returning id)
     select room.id as "roomId", guest.id as "userId" from room, guest`,
  );
  Object.assign(room, made);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

test(
  `whatever is refunded by whom, fails, is disputed and cancelled: the guest’s money, Stripe’s ledger and the API agree`,
  async () => {
    console.log(`model of money: ${sequences} sequences, seed ${seed}`);
    await fc.assert(
      fc.asyncProperty(moneySteps, (steps) => playMoney(db, room, steps)),
      { numRuns: sequences, seed, endOnFailure: true },
    );
    const moved = await rows<{ status: string }>(db, 'select distinct status from refunds order by 1');
    // The model is worth something only if it has seen them all.
    expect(moved.map(({ status }) => status)).toEqual(
      expect.arrayContaining(['dropped', 'failed', 'parked', 'submitted', 'succeeded']),
    );
  },
  Math.max(60_000, sequences * 500),
);
