import knex, { type Knex } from 'knex';
import pg from 'pg';
import { DatabaseUnavailable } from './errors.ts';

export type Db = Knex;

export interface DatabaseOptions {
  poolMax: number;
  /** A query without an answer for this long gives its connection up: the server may be frozen. */
  queryMs?: number;
  /** No connection free, or no new one made, for this long: refuse instead of queueing. */
  acquireMs?: number;
  applicationName: string;
}

const dateOid = 1082;
const types = {
  // A date has no instant: pg would make it local midnight.
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === dateOid
      ? (text: string) => text
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/**
 * A pool of connections that fails fast: the server's own limits on statements, locks and idle transactions, and
 * ours on a server that does not answer at all.
 */
export function connectDatabase(url: string, options: DatabaseOptions): Db {
  const { poolMax, applicationName, queryMs = 2_200, acquireMs = 1_500 } = options;
  const db = knex({
    client: 'pg',
    connection: {
      connectionString: url,
      types,
      application_name: applicationName,
      // Longer than any request waits (acquireMs): a connection that comes late serves the next ones. Given up as early
      // as the request, it would be asked for again and again, and a slow server would never catch up.
      connectionTimeoutMillis: 5_000,
      statement_timeout: 2_000,
      lock_timeout: 1_500,
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
    } as Knex.PgConnectionConfig,
    acquireConnectionTimeout: acquireMs,
    pool: {
      min: 0,
      max: poolMax,
      idleTimeoutMillis: 60_000,
      propagateCreateError: true,
      afterCreate(connection: pg.Client, done: (error: Error | null, connection: pg.Client) => void) {
        limitQueryTime(connection, queryMs);
        done(null, connection);
      },
    },
    // A failing statement is told with its placeholders: its values are people's, and errors are logged.
    compileSqlOnError: false,
    log: { warn() {}, error() {}, deprecate() {}, debug() {} },
  });
  const connect = db.client.acquireRawConnection.bind(db.client) as () => Promise<pg.Client>;
  db.client.acquireRawConnection = () =>
    connect().catch((error: unknown) => {
      throw isFromServer(error) ? error : new DatabaseUnavailable(error);
    });
  return db;
}

/** A refusal of the server's, rather than a failure of the connection, which pg tells without a code. */
const isFromServer = (error: unknown) => error instanceof pg.DatabaseError;

type QueryCallback = (error: Error | null, result: unknown) => void;

/**
 * Ends a connection whose query gets no answer, and tells failures of the connection from refusals of the server.
 * pg's own `query_timeout` would hand the connection back with the old query still running on it.
 */
function limitQueryTime(connection: pg.Client, queryMs: number): void {
  const query = connection.query.bind(connection) as (config: unknown, callback: QueryCallback) => unknown;
  const limited = (config: unknown, callback?: QueryCallback) => {
    if (!callback) return query(config, undefined as never);
    const timer = setTimeout(() => {
      // knex looks at this mark before it hands a connection out again.
      Object.assign(connection, { __knex__disposed: 'no answer in time' });
      (connection as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    }, queryMs);
    return query(config, (error, result) => {
      clearTimeout(timer);
      const lost = error && !isFromServer(error);
      // "Failing row contains (…)": the row, with e-mail and password hash. Errors are logged.
      if (error instanceof pg.DatabaseError) error.detail = undefined;
      callback(lost ? new DatabaseUnavailable(error) : error, result);
    });
  };
  Object.assign(connection, { query: limited });
}

const texts = new Map<string, string>();

/** The text with `$1`, `$2` … for its `?`, as Postgres numbers them; made once a name. */
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
 * are bindings. On a connection of knex's pool, but past its builder, which costs as much again as the statement.
 */
export async function prepared<Row>(
  db: Db,
  name: string,
  sql: string,
  values: readonly unknown[],
): Promise<Row[]> {
  const client = db.client as Knex.Client;
  const connection: pg.Client = await client.acquireConnection();
  try {
    return await new Promise((resolve, reject) => {
      const query = { name, text: numbered(name, sql), values: values as unknown[] };
      connection.query(query, (error, result) => (error ? reject(error) : resolve(result.rows)));
    });
  } finally {
    await client.releaseConnection(connection);
  }
}

/** Runs a statement with `?` bindings. */
export async function rows<Row>(db: Db, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const result = await db.raw(sql, values as Knex.RawBinding[]);
  return result.rows as Row[];
}
