import { parseArgs, type ParseArgsConfig } from 'node:util';
import pg from 'pg';
import { DatabaseUrlError } from '../db/database-url.ts';
import { isOutOfReach } from '../db/errors.ts';
import { connectDatabase, type Db } from '../db/knex.ts';

/** A mistake of the user, reported in one line without a stack trace. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Command {
  /** The whole text of `--help`. */
  help: string;
  options: NonNullable<ParseArgsConfig['options']>;
  /** Accepts arguments that are not options; refused otherwise. */
  takesNames?: boolean;
  run(values: Record<string, unknown>, names: string[]): Promise<void>;
}

/** Runs a command: `--help` prints its text, an error is one line. Exit code 0: done, 1: failed, 2: used wrongly. */
export async function runCommand(command: Command): Promise<void> {
  try {
    const { values, positionals } = readArguments(command);
    if (values['help']) console.log(command.help.trim());
    else await command.run(values, positionals);
  } catch (error) {
    const mistake = error instanceof UsageError;
    console.error(mistake ? `${error.message} Try --help.` : explain(error));
    process.exitCode = mistake ? 2 : 1;
  }
}

function readArguments({ options, takesNames = false }: Command) {
  try {
    return parseArgs({
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: takesNames,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS')) throw error;
    // After its first sentence Node explains `--`, which no command here needs.
    const [sentence = ''] = message.split(/\. |\n/);
    throw new UsageError(`${sentence.replace(/\.$/, '')}.`);
  }
}

const schemaMissing = 'The schema is missing or of another release. Run: npm run migrate';

/** Describes an error in one line. Postgres's messages contain the user of DATABASE_URL, never the password. */
function explain(error: unknown): string {
  if (isOutOfReach(error)) {
    if (error.cause instanceof pg.DatabaseError) return explain(error.cause);
    const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
    return `Postgres is not responding at DATABASE_URL (${code ?? message}). Is it running?`;
  }
  if (!(error instanceof pg.DatabaseError)) return error instanceof Error ? error.message : String(error);
  switch (error.code) {
    case '42P01':
    case '42703':
      return schemaMissing;
    case '28P01':
    case '28000':
      return `Postgres does not accept the user or password of DATABASE_URL: ${error.message}`;
    default:
      // Knex puts the statement, which has many lines, before Postgres's message.
      return `Postgres reports an error: ${error.message.split(' - ').at(-1)}`;
  }
}

/**
 * Connects to the database for one command. Checks the connection first, so that nobody types a password only to learn
 * that the database is away.
 * @throws UsageError when DATABASE_URL is missing or invalid
 */
export async function withDatabase<T>(work: (db: Db) => Promise<T>): Promise<T> {
  const url = process.env['DATABASE_URL'];
  if (!url) {
    throw new UsageError(
      'Set DATABASE_URL in the environment (for example the one that `npm start` prints) or in .env.',
    );
  }
  const db = open(url);
  try {
    await db.raw('select from users limit 0');
    return await work(db);
  } finally {
    await db.destroy();
  }
}

function open(url: string): Db {
  try {
    return connectDatabase(url, { poolMax: 2, applicationName: 'booking-command', acquireMs: 5_000 });
  } catch (error) {
    if (error instanceof DatabaseUrlError) throw new UsageError(`DATABASE_URL: ${error.message}.`);
    throw error;
  }
}
