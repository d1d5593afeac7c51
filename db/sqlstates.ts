/**
 * What the error codes of Postgres mean for the caller
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html). Two characters name a class, five a condition.
 */
export interface Meaning {
  /**
   * `keep`: the connection is still usable. `replace`: it, or its cached plans, is unusable, and it ends when it is
   * given back. `replaceAll`: the other connections of the pool are unusable too.
   */
  connection: 'keep' | 'replace' | 'replaceAll';
  /**
   * `never`: a retry fails again. `statement`: nothing was done, and the same statement works unprepared.
   * `transaction`: the transaction was rolled back, and an immediate retry may work. `later`: retry after a pause.
   */
  retry: 'never' | 'statement' | 'transaction' | 'later';
  /**
   * `unavailable`: 503 with Retry-After, and `/readyz` says the same. `invalid`: the client sent a value that nothing can
   * store (400). `constraint`: a rule of the schema, mapped by its name. `bug`: 500, logged.
   */
  answer: 'unavailable' | 'invalid' | 'constraint' | 'bug';
}

const bug: Meaning = { connection: 'keep', retry: 'never', answer: 'bug' };
/** The statement is wrong, and the state of the connection may be too. */
const confused: Meaning = { ...bug, connection: 'replace' };
const away: Meaning = { connection: 'replace', retry: 'later', answer: 'unavailable' };
const busy: Meaning = { connection: 'keep', retry: 'later', answer: 'unavailable' };
const undone: Meaning = { connection: 'keep', retry: 'transaction', answer: 'unavailable' };
const invalid: Meaning = { ...bug, answer: 'invalid' };
const stalePlan: Meaning = { connection: 'replaceAll', retry: 'statement', answer: 'unavailable' };
/** A pooler gave us a server connection that has, or lacks, the prepared statement: our own connection is fine. */
const lostStatement: Meaning = { connection: 'keep', retry: 'statement', answer: 'unavailable' };

export const classMeanings: Readonly<Record<string, Meaning>> = {
  '00': bug, // success
  '01': bug, // warning
  '02': bug, // no data
  '03': bug, // SQL statement not yet complete
  '08': away, // connection exception; PgBouncer's own refusals (08P01) too
  '09': bug, // triggered action
  '0A': bug, // feature not supported
  '0B': confused, // invalid transaction initiation
  '0F': bug, // locator
  '0L': bug, // invalid grantor
  '0P': bug, // invalid role specification
  '0Z': bug, // diagnostics
  '10': bug, // XQuery
  '20': bug, // case not found
  '21': bug, // cardinality violation
  '22': bug, // data exception; values of a client below
  '23': { ...bug, answer: 'constraint' }, // integrity constraint violation
  '24': confused, // invalid cursor state
  '25': confused, // invalid transaction state
  '26': lostStatement, // invalid SQL statement name
  '27': bug, // triggered data change
  '28': away, // invalid authorization: a password that is being changed, a server that is being set up
  '2B': bug, // dependent privileges
  '2D': confused, // invalid transaction termination
  '2F': bug, // SQL routine
  '34': confused, // invalid cursor name
  '38': bug, // external routine
  '39': bug, // external routine invocation
  '3B': confused, // savepoint
  '3D': away, // invalid catalog name: the database is not there (yet)
  '3F': bug, // invalid schema name
  '40': undone, // transaction rollback
  '42': bug, // syntax error or access rule violation
  '44': { ...bug, answer: 'constraint' }, // WITH CHECK OPTION
  '53': busy, // insufficient resources: disk full, out of memory, too many connections
  '54': bug, // program limit exceeded
  '55': bug, // object not in prerequisite state
  '57': away, // operator intervention: shutdown, start-up, dropped database, idle session
  '58': away, // system error: the server's disk
  '72': undone, // snapshot too old (until PostgreSQL 16)
  F0: away, // configuration file error
  HV: bug, // foreign data wrapper
  P0: bug, // PL/pgSQL
  XX: confused, // internal error; damaged data or index
};

export const conditionMeanings: Readonly<Record<string, Meaning>> = {
  // Values that no column takes (NUL, year 300000, 2^63 …).
  '22002': bug,
  '22003': invalid, // numeric value out of range
  '22007': invalid, // invalid datetime format
  '22008': invalid, // datetime field overflow
  '22021': invalid, // character not in repertoire
  '22P02': invalid, // invalid text representation
  '22P05': invalid, // untranslatable character
  // A standby, after a failover: every connection leads there, and new ones may lead to the new primary.
  '25006': { ...away, connection: 'replaceAll' },
  '25P03': away, // the server ended a transaction that was idle for too long, and the connection with it
  '25P04': away, // … or one that took too long
  '40002': { ...bug, answer: 'constraint' }, // a constraint that is checked at the end
  '40003': away, // whether it was committed is not known
  // Wrong SQL, or a search_path that has changed behind a pooler: a new connection looks at it again.
  '42P01': { ...bug, connection: 'replaceAll' }, // undefined table
  '42883': { ...bug, connection: 'replaceAll' }, // undefined function
  '42P05': lostStatement, // a prepared statement of that name exists
  '55006': busy, // object in use: the database is being copied
  '55P03': busy, // lock not available in time
  '57014': busy, // cancelled: took too long
};

/** The fields that `pg` sets on an error of the server. */
export interface ServerError {
  code?: unknown;
  /** The function in the server's source that raised it, which is the same in every language of the messages. */
  routine?: unknown;
  file?: unknown;
  message?: string;
}

/** @returns undefined for anything but an error of the server */
export function meaningOf(error: unknown): Meaning | undefined {
  const { code, routine, file, message = '' } = (error ?? {}) as ServerError;
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return undefined;
  if (code === '0A000' && (routine === 'RevalidateCachedQuery' || /cached plan/.test(message)))
    return stalePlan;
  // PL/pgSQL remembers types as well: "type of parameter 3 does not match that when preparing the plan".
  if (code === '42804' && typeof file === 'string' && /^pl_exec|^plancache/.test(file))
    return { ...stalePlan, retry: 'later' };
  return conditionMeanings[code] ?? classMeanings[code.slice(0, 2)] ?? bug;
}
