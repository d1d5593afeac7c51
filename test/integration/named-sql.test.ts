import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Db } from '../../db/knex.ts';
import { sql } from '../../db/sql.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

describe('named SQL', () => {
  let database: TestDatabase;
  let db: Db;
  beforeAll(async () => {
    database = await createTestDatabase();
    db = connectDatabase(database.url, { poolMax: 2, applicationName: 'test-sql' });
  });
  afterAll(async () => {
    await db.destroy();
    await database.drop();
  });

  test('takes parameters by name, each as often as it is written, and gives columns in camelCase', async () => {
    const text = `select :word::text as first_word, upper(:word) as "secondWord", :n::int + 1 as n, null as no_value`;
    for (const word of ['one', "it's"]) {
      const found = await sql(db, 'test_words', text, { n: 1, word });
      expect(found).toEqual([{ firstWord: word, secondWord: word.toUpperCase(), n: 2, noValue: null }]);
    }
  });

  test('leaves colons alone in strings, names, comments and casts', async () => {
    const text = `select to_char(:at::timestamptz at time zone 'UTC', 'HH24:MI') as "a:b", ':x' as it -- :comment
      /* :other */`;
    expect(await sql(db, 'test_colons', text, { at: '2030-01-02T03:04:05Z' })).toEqual([
      { 'a:b': '03:04', it: ':x' },
    ]);
  });

  test('works in a transaction, and is undone with it', async () => {
    const insert = 'insert into rate_limits (key) values (:key) returning key';
    await expect(
      db.transaction(async (trx) => {
        expect(await sql(trx, 'test_insert', insert, { key: 'a' })).toEqual([{ key: 'a' }]);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await sql(db, 'test_found', 'select key from rate_limits')).toEqual([]);
  });

  test('refuses a forgotten parameter, one too many, and one name for two texts', async () => {
    await expect(sql(db, 'test_one', 'select :a::int as a')).rejects.toThrow('needs a');
    await expect(sql(db, 'test_one', 'select :a::int as a', { a: undefined })).rejects.toThrow('needs a');
    await expect(sql(db, 'test_one', 'select :a::int as a', { a: null, b: 1 })).rejects.toThrow(
      'no parameter b',
    );
    await expect(sql(db, 'test_one', 'select 1')).rejects.toThrow('Two statements are called test_one');
    expect(await sql(db, 'test_one', 'select :a::int as a', { a: null })).toEqual([{ a: null }]);
  });
});
