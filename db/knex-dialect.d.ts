/** Knex publishes the classes to extend, but no types of them: these are the parts that db/pool.ts uses. */
declare module 'knex/lib/dialects/postgres/index.js' {
  import { knex } from 'knex';
  /** A statement as Knex hands it to a dialect; the dialect leaves the answer in `response`. */
  export interface KnexStatement {
    sql: string;
    bindings?: readonly unknown[];
    options?: object;
    response?: unknown;
  }
  export default class PostgresDialect extends knex.Client {
    /** Set on the clients of transactions only. */
    transacting?: boolean;
    transaction(...args: unknown[]): never;
    _query(connection: unknown, statement: KnexStatement): Promise<KnexStatement>;
  }
}

declare module 'knex/lib/dialects/postgres/execution/pg-transaction.js' {
  export default class PostgresTransaction {
    constructor(client: unknown, ...args: unknown[]);
    isolationLevel?: string;
    begin(connection: unknown): Promise<unknown>;
    query(connection: unknown, text: string): Promise<unknown>;
  }
}
