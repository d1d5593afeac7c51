import knex from 'knex';
import { DBError } from 'objection';
import { invalidToken, Problem } from '../domain/problems.ts';

/** The connection failed, or the server did not answer: nothing is known of what the statement did. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  constructor(cause: unknown) {
    super('the database does not answer', { cause });
  }
}

interface ServerError {
  code?: string;
  constraint?: string;
}

/** What the server said: objection wraps its error, and an exclusion violation in a plain ConstraintViolationError. */
function serverError(error: unknown): ServerError {
  return (error instanceof DBError ? error.nativeError : error) as ServerError;
}

/** The name of the violated constraint, if that is what went wrong (SQLSTATE class 23). */
export function violatedConstraint(error: unknown): string | undefined {
  const { code, constraint } = serverError(error) ?? {};
  return typeof code === 'string' && code.startsWith('23') ? constraint : undefined;
}

/** A deadlock or serialisation failure: the transaction did nothing, and may be tried again (40P01, 40001). */
function isRetryable(error: unknown): boolean {
  const code = serverError(error)?.code;
  return code === '40P01' || code === '40001';
}

// Connection exceptions, lack of resources, shutdown and start-up, statement and lock time-outs, read-only standby.
const unavailableCode =
  /^(08...|53...|57P0.|57014|55P03|25006|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/;

/** Does the database not answer at all, or is no connection to be had? */
export function isOutOfReach(error: unknown): error is Error {
  return error instanceof DatabaseUnavailable || error instanceof knex.KnexTimeoutError;
}

/** Is the database out of reach or overloaded, so that the same request may work later? */
export function isUnavailable(error: unknown): boolean {
  if (isOutOfReach(error)) return true;
  const code = serverError(error)?.code;
  return typeof code === 'string' && unavailableCode.test(code);
}

/** SQLSTATEs of values that no column takes (NUL, year 300000, 2^63 …): the client's fault, not ours. */
const badValueCode = /^22(021|P05|P02|003|007|008)$/;

/** The refusal that a database error means to a client; undefined if it is a bug. */
export function problemOf(error: unknown): Problem | undefined {
  if (isUnavailable(error) || isRetryable(error)) {
    return new Problem('database_unavailable', { headers: { 'Retry-After': '1' } });
  }
  const code = serverError(error)?.code;
  if (typeof code === 'string' && badValueCode.test(code)) {
    return new Problem('invalid_request', { detail: 'A value cannot be stored.' });
  }
  switch (violatedConstraint(error)) {
    case 'users_email_taken':
      return new Problem('email_taken');
    case 'claims_slot_taken':
      return new Problem('slot_taken');
    // The token is of an account that this database does not have: it was restored or made anew.
    case 'idempotency_keys_user_id_fkey':
      return invalidToken();
    default:
      return undefined;
  }
}

/** Repeats `work` after a deadlock or serialisation failure, at most three times, with jitter. Nothing else is repeated. */
export async function retryTransient<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isRetryable(error) || attempt > 3) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30 * attempt));
    }
  }
}
