import knex from 'knex';
import { DBError } from 'objection';
import { Problem } from '../domain/problems.ts';
import { meaningOf } from './sqlstates.ts';

/** The connection failed, or the server did not answer: nothing is known of what the statement did. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  constructor(cause: unknown) {
    super('the database is not responding', { cause });
  }
}

/** What the server said: objection wraps its error, and an exclusion violation in a plain ConstraintViolationError. */
function serverError(error: unknown): { code?: string; constraint?: string } | undefined {
  return (error instanceof DBError ? error.nativeError : error) as ReturnType<typeof serverError>;
}

/** The name of the violated constraint, if that is what went wrong (SQLSTATE class 23). */
export function violatedConstraint(error: unknown): string | undefined {
  const { code, constraint } = serverError(error) ?? {};
  return typeof code === 'string' && code.startsWith('23') ? constraint : undefined;
}

/** Was the transaction undone, so that it may be tried again at once: a deadlock, or a plan that is no longer right? */
function isRetryable(error: unknown): boolean {
  const retry = meaningOf(serverError(error))?.retry;
  return retry === 'transaction' || retry === 'statement';
}

const networkCode =
  /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;

/** Does the database not answer at all, or is no connection to be had? */
export function isOutOfReach(error: unknown): error is Error {
  return error instanceof DatabaseUnavailable || error instanceof knex.KnexTimeoutError;
}

/** Is the database out of reach, read-only or overloaded, so that the same request may work later (db/sqlstates.ts)? */
export function isUnavailable(error: unknown): boolean {
  if (isOutOfReach(error)) return true;
  const server = serverError(error);
  if (typeof server?.code === 'string' && networkCode.test(server.code)) return true;
  return meaningOf(server)?.answer === 'unavailable';
}

/** The refusal that a database error means to a client; undefined if it is a bug. */
export function problemOf(error: unknown): Problem | undefined {
  if (isUnavailable(error)) {
    return new Problem('database_unavailable', { retryAfterSeconds: 1 });
  }
  if (meaningOf(serverError(error))?.answer === 'invalid') {
    return new Problem('invalid_request', { detail: 'Contains a value that cannot be stored.' });
  }
  switch (violatedConstraint(error)) {
    case 'claims_slot_taken':
      return new Problem('slot_taken');
    // The token is of an account that this database does not have: it was restored or made anew.
    case 'idempotency_keys_user_id_fkey':
      return new Problem('invalid_token');
    default:
      return undefined;
  }
}

/** Repeats `work` that was undone (a deadlock, a serialisation failure, a stale plan), at most three times, with jitter. Nothing else is repeated. */
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
