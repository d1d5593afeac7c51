import PostgresDialect, { type KnexStatement } from 'knex/lib/dialects/postgres/index.js';
import PostgresTransaction from 'knex/lib/dialects/postgres/execution/pg-transaction.js';
import type { Knex } from 'knex';
import pg from 'pg';
import { Connection, type PoolState, type Statement } from './connection.ts';
import type { DatabaseAddress } from './database-url.ts';
import { DatabaseUnavailable } from './errors.ts';
import { meaningOf } from './sqlstates.ts';
import { beginWith, sessionQuery, type SettingRow, setForSession, unfit } from './session-settings.ts';

/** Settings that Knex passes to the pool, besides its own. */
export interface PoolConfig extends Knex.Config {
  address: DatabaseAddress;
  state: PoolState;
}

type CheckRow = SettingRow & { pid: number; standby: boolean; role: string };

/**
 * Knex's Postgres dialect, extended where Knex lets a dialect decide: how a connection is made, whether it may be used
 * again, how a statement is sent and how a transaction begins (docs/decisions/0012).
 */
export class ServicePool extends PostgresDialect {
  override async acquireRawConnection(): Promise<Connection> {
    const { address, state } = this.config as PoolConfig;
    try {
      const connection = await connect(address, state);
      await fit(connection, state);
      return connection;
    } catch (error) {
      if (error instanceof pg.DatabaseError) state.say(`Postgres refuses the connection: ${error.message}`);
      throw error instanceof DatabaseUnavailable ? error : new DatabaseUnavailable(error);
    }
  }

  override async validateConnection(connection: Connection): Promise<boolean> {
    return connection.isUsable;
  }

  // Knex declares its transaction with another public type.
  override transaction(...args: unknown[]): never {
    return new ServiceTransaction(this, ...args) as never;
  }

  override async _query(connection: Connection, statement: KnexStatement): Promise<KnexStatement> {
    const { sql: text, bindings: values = [], options } = statement;
    statement.response = await this.run(connection, { ...options, text, values });
    return statement;
  }

  /** Runs a statement on a connection of this pool, also outside a transaction where the session is not reliable. */
  async run(connection: Connection, statement: Statement): Promise<pg.QueryResult> {
    if (this.transacting) return connection.send(statement);
    try {
      return await sendAlone(connection, statement);
    } catch (error) {
      // The statement was refused before it took effect, only because it was prepared: retry it unprepared.
      if (meaningOf(error)?.retry !== 'statement') throw error;
      const { text, values = [] } = statement;
      return sendAlone(connection, { text, values });
    }
  }
}

async function sendAlone(connection: Connection, statement: Statement): Promise<pg.QueryResult> {
  if (connection.beginWith === undefined) return connection.send(statement);
  await connection.send({ text: connection.beginWith });
  try {
    const result = await connection.send(statement);
    await connection.send({ text: 'commit' });
    return result;
  } catch (error) {
    await connection.send({ text: 'rollback' }).catch(() => connection.abandon());
    throw error;
  }
}

class ServiceTransaction extends PostgresTransaction {
  override begin(connection: Connection): Promise<unknown> {
    return connection.beginWith === undefined
      ? super.begin(connection)
      : this.query(connection, connection.beginWith);
  }
}

/** Uses TLS where the address asks for it; `prefer` accepts a server without it. */
async function connect({ config, plainAllowed }: DatabaseAddress, state: PoolState): Promise<Connection> {
  const connection = new Connection(config, state);
  try {
    await connection.connect();
    return connection;
  } catch (error) {
    // pg's own sentence for the server's "N" (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL).
    const hasNoTls =
      error instanceof Error && error.message === 'The server does not support SSL connections';
    if (!hasNoTls || !plainAllowed) throw error;
    const plain = new Connection({ ...config, ssl: false }, state);
    await plain.connect();
    return plain;
  }
}

/**
 * Checks the settings of the session and corrects them: on a direct connection it sets what differs, behind a pooler
 * each transaction begins with the settings, since the next statement may go to another server process.
 */
async function fit(connection: Connection, state: PoolState): Promise<void> {
  const found = (await connection.send({ text: sessionQuery })).rows as CheckRow[];
  const [first] = found;
  const isDirect = first?.pid === connection.processID;
  const isStandby = first?.standby === true;
  const settings = unfit(state.settings, found).filter(
    ({ name }) => !isStandby || name !== 'default_transaction_read_only',
  );
  connection.isPooled = !isDirect;
  connection.keepsStatements = state.keepsStatements ?? isDirect;
  if (isStandby)
    state.say('DATABASE_URL leads to a standby: nothing can be written until it leads to the primary.');
  if (isDirect) {
    if (settings.length > 0) await connection.send({ text: setForSession(settings) });
  } else {
    connection.beginWith = beginWith(settings);
    await tellAboutPooler(
      connection,
      state,
      settings.map(({ name }) => name),
    );
  }
  const readOnly = found.find(({ name }) => name === 'default_transaction_read_only');
  if (readOnly?.setting === 'on' && !readOnly.source.endsWith('user')) {
    state.say('The database is set to default_transaction_read_only = on: nothing can be written.');
  }
}

async function tellAboutPooler(connection: Connection, state: PoolState, unset: string[]): Promise<void> {
  const statements = connection.keepsStatements
    ? 'prepared statements are used'
    : 'prepared statements are not used';
  const settings =
    unset.length > 0
      ? `each transaction sets ${unset.join(', ')}; \`npm run migrate\` can set them for a role of the services' own, which is faster`
      : 'its role brings all settings';
  state.say(`DATABASE_URL leads through a pooler: ${statements}; ${settings}.`);
  try {
    await connection.send({ text: 'begin' });
    await connection.send({ text: 'commit' });
  } catch (error) {
    state.say(
      'The pooler of DATABASE_URL allows no transactions (pool_mode=statement): the service cannot work through it. Use pool_mode=session or transaction.',
    );
    throw error;
  }
}
