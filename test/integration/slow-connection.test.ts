import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isUnavailable } from '../../db/errors.ts';
import { connectDatabase, type Db, rows } from '../../db/knex.ts';
import { type Link, openLink } from '../chaos/link.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

describe('a database to which connecting takes longer than a request waits', () => {
  let database: TestDatabase;
  let link: Link;
  let db: Db;
  beforeAll(async () => {
    database = await createTestDatabase();
    const url = new URL(database.url);
    const port = Number(url.port);
    link = await openLink(() => port);
    url.port = String(link.port);
    db = connectDatabase(url.href, { poolMax: 4, applicationName: 'test-slow' });
  });
  afterAll(async () => {
    await db.destroy();
    await link.close();
    await database.drop();
  });

  test('PG-08 requests are refused in time at first, and served once a connection has come', async () => {
    // Signing in takes four exchanges: 2.4 s.
    link.set(300);
    const begun = Date.now();
    const refusal = await rows(db, 'select 1').catch((error: unknown) => error);
    expect(isUnavailable(refusal)).toBe(true);
    expect(Date.now() - begun).toBeLessThan(timely(2_000));
    await until('a connection', () => rows(db, 'select 1').catch(() => false as const), 10_000);
  });
});
