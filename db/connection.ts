import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { DatabaseUnavailable } from './errors.ts';
import type { SessionSetting } from './session-settings.ts';
import { type ServerError, meaningOf } from './sqlstates.ts';

/** State shared by the connections of one pool. */
export interface PoolState {
  /** A connection ends when a query on it has had no answer for this long. */
  queryMs: number;
  /** Connections of an earlier generation end when they are given back. */
  generation: number;
  renewedAtMs: number;
  /**
   * Whether statements are prepared by name: false once a pooler lost one; undefined until a setting or the first check
   * decides.
   */
  keepsStatements: boolean | undefined;
  /** Settings that each session or transaction must have. */
  settings: readonly SessionSetting[];
  /** Logs a sentence for the operator, each one once. */
  say: (sentence: string) => void;
}

export interface Statement {
  text: string;
  values?: readonly unknown[];
  /** Stands for one text only, which is prepared once per connection. */
  name?: string;
}

const renewEveryMs = 1_000;
/** Maximum age of a connection behind a pooler: the server may have changed, and a new connection checks it again. */
const pooledMsMax = 30_000;
const dateOid = 1082;

/** A date has no instant: `pg` would make it midnight of this process' zone. */
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === dateOid
      ? (text: string) => text
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** A connection that tracks whether it is still usable. */
export class Connection extends pg.Client {
  readonly #pool: PoolState;
  readonly #generation: number;
  readonly #madeAtMs = performance.now();
  #spent = false;
  /** `pg_backend_pid()` as reported when the connection began; a pooler makes one up. */
  declare readonly processID: number;
  /** Whether the same server process answers every statement and keeps prepared ones. */
  keepsStatements = false;
  /** Whether there is a pooler between us and the server. */
  isPooled = false;
  /** How a transaction must begin on this connection; undefined: with a plain `begin`. */
  beginWith: string | undefined;

  constructor(config: pg.ClientConfig, pool: PoolState) {
    super({ ...config, types });
    this.#pool = pool;
    this.#generation = pool.generation;
    this.on('error', () => (this.#spent = true));
    this.on('end', () => (this.#spent = true));
  }

  get isUsable(): boolean {
    if (this.isPooled && performance.now() - this.#madeAtMs > pooledMsMax) return false;
    return !this.#spent && this.#generation === this.#pool.generation;
  }

  /**
   * Runs one statement, or several without values.
   * @throws DatabaseUnavailable when the connection failed or did not answer in time, else what the server refuses
   */
  send({ text, values, name }: Statement): Promise<pg.QueryResult> {
    const isNamed = name !== undefined && this.keepsStatements && this.#pool.keepsStatements !== false;
    const query = { text, ...(values && { values: values as unknown[] }), ...(isNamed && { name }) };
    return new Promise((resolve, reject) => {
      // pg's own `query_timeout` would give the connection back with the old query still running on it.
      const timer = setTimeout(() => this.abandon(), this.#pool.queryMs);
      this.query(query, (error: Error | null, result) => {
        clearTimeout(timer);
        if (error) reject(this.#judge(error));
        else resolve(result);
      });
    });
  }

  /** Ends the connection without notifying the server, which may be frozen. */
  abandon(): void {
    this.#spent = true;
    (this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }

  /** What an error means for this connection, for the others of the pool, and for the caller. */
  #judge(error: Error): Error {
    if (!(error instanceof pg.DatabaseError)) {
      this.#spent = true;
      return new DatabaseUnavailable(error);
    }
    // "Failing row contains (…)": the row, with e-mail and password hash. Errors are logged.
    error.detail = undefined;
    const meaning = meaningOf(error);
    if (meaning?.connection !== 'keep') this.#spent = true;
    if (meaning?.connection === 'replaceAll') this.#renewAll();
    if (meaning?.retry === 'statement' && meaning.connection === 'keep') this.#forgetStatements(error);
    return error;
  }

  /** At most once a second: a server that stays read-only must not be flooded with new connections. */
  #renewAll(): void {
    const nowMs = performance.now();
    if (this.#generation !== this.#pool.generation || nowMs - this.#pool.renewedAtMs < renewEveryMs) return;
    this.#pool.generation++;
    this.#pool.renewedAtMs = nowMs;
  }

  #forgetStatements({ code }: ServerError): void {
    this.#pool.keepsStatements = false;
    this.#pool.say(
      `The pooler of DATABASE_URL does not keep prepared statements (${String(code)}); they are sent unnamed from now on. Set DATABASE_PREPARED=false.`,
    );
  }
}
