import knex, { type Knex } from 'knex';
import type { Connection } from './connection.ts';
import { readDatabaseUrl } from './database-url.ts';
import { type PoolConfig, ServicePool } from './pool.ts';
import { serviceSettings, type SessionSetting } from './session-settings.ts';

export type Db = Knex;

export interface DatabaseOptions {
  poolMax: number;
  /** A query that has had no answer for this long ends its connection: the server may be frozen. */
  queryMs?: number;
  /** No connection free, or no new one made, for this long: refuse instead of queueing. */
  acquireMs?: number;
  applicationName: string;
  /** Whether prepared statements are used. Unset: yes, unless there is a pooler. */
  prepared?: boolean | undefined;
  /** Settings that sessions must have; unset: those that the service needs. */
  settings?: readonly SessionSetting[];
  /** Receives warnings about the database for the operator, in whole sentences, each once. */
  say?: (sentence: string) => void;
}

/**
 * A pool of connections that fails fast: the server's own limits on statements, locks and idle transactions
 * (db/session-settings.ts), and ours on a server that does not answer at all. Works alike on a server, and through a pooler
 * by session or by transaction: but for `application_name`, which poolers know, nothing is asked for at the start of a connection.
 * @throws DatabaseUrlError
 */
export function connectDatabase(url: string, options: DatabaseOptions): Db {
  const { poolMax, applicationName, queryMs = 2_200, acquireMs = 1_500, say = () => {} } = options;
  const address = readDatabaseUrl(url);
  const said = new Set<string>();
  const config: PoolConfig = {
    client: ServicePool,
    address: {
      ...address,
      config: {
        ...address.config,
        application_name: applicationName,
        // Longer than any request waits (acquireMs): a connection that arrives late serves later requests. If it were
        // given up as early as the request, each request would start a new attempt and a slow server would never catch
        // up.
        connectionTimeoutMillis: 5_000,
        keepAlive: true,
      },
    },
    state: {
      queryMs,
      settings: options.settings ?? serviceSettings,
      generation: 0,
      renewedAtMs: -Infinity,
      keepsStatements: options.prepared ?? address.keepsStatements,
      say: (sentence) => {
        if (said.has(sentence) || said.size > 100) return;
        said.add(sentence);
        say(sentence);
      },
    },
    // Knex builds its pool only if a connection is named; ours reads `address`.
    connection: {},
    acquireConnectionTimeout: acquireMs,
    pool: { min: 0, max: poolMax, idleTimeoutMillis: 60_000, propagateCreateError: true },
    // The error shows a failing statement with placeholders only: errors are logged, and its values may be personal
    // data.
    compileSqlOnError: false,
    log: { warn() {}, error() {}, deprecate() {}, debug() {} },
  };
  return knex(config);
}

const texts = new Map<string, string>();

/** The text with `$1`, `$2` … in place of `?`, as Postgres numbers parameters; cached by name. */
function numbered(name: string, sql: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    let count = 0;
    text = sql.replaceAll('?', () => `$${++count}`);
    texts.set(name, text);
  }
  return text;
}

/**
 * Runs a prepared statement: planned once a connection, one round trip. `name` must stand for one text only; its `?`
 * are bindings. New statements use `sql` (db/sql.ts), whose parameters have names.
 */
export async function prepared<Row>(
  db: Db,
  name: string,
  sql: string,
  values: readonly unknown[],
): Promise<Row[]> {
  const result = await runOn(db, { name, text: numbered(name, sql), values });
  return result.rows as Row[];
}

/**
 * Runs a statement on a connection of Knex's pool, or of the transaction, without Knex's query builder, which would
 * double the cost.
 */
export async function runOn(db: Db, statement: Parameters<ServicePool['run']>[1]) {
  const client = db.client as ServicePool & Pick<Knex.Client, 'acquireConnection' | 'releaseConnection'>;
  const connection = (await client.acquireConnection()) as Connection;
  try {
    return await client.run(connection, statement);
  } finally {
    await client.releaseConnection(connection);
  }
}

/** Runs a statement with `?` bindings. */
export async function rows<Row>(db: Db, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const result = await db.raw(sql, values as Knex.RawBinding[]);
  return result.rows as Row[];
}
