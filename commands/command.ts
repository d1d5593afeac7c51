import { parseArgs, type ParseArgsConfig } from 'node:util';
import { connectDatabase, type Db } from '../db/knex.ts';

/** A mistake of the person at the keyboard: told in one line, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Command {
  /** The whole text of `--help`. */
  help: string;
  options: NonNullable<ParseArgsConfig['options']>;
  run(values: Record<string, unknown>, names: string[]): Promise<void>;
}

/** Runs a command: `--help` prints its text, a mistake is one clear line, the exit code says how it went. */
export async function runCommand(command: Command): Promise<void> {
  try {
    const options = { ...command.options, help: { type: 'boolean', short: 'h' } as const };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (values['help']) console.log(command.help.trim());
    else await command.run(values, positionals);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const mistake = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS');
    console.error(mistake ? `${message}\nTry --help.` : explain(error as NodeJS.ErrnoException));
    process.exitCode = mistake ? 2 : 1;
  }
}

function explain(error: NodeJS.ErrnoException): string {
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  if (cause.code === 'ECONNREFUSED') return 'Postgres does not answer at DATABASE_URL. Is it running?';
  if (cause.code === '42P01') return 'The schema is not there yet. Run: npm run migrate';
  return error.message || String(error);
}

/** A connection for one command. @throws UsageError when no database is named */
export async function withDatabase<T>(work: (db: Db) => Promise<T>): Promise<T> {
  const url = process.env['DATABASE_URL'];
  if (!url) {
    throw new UsageError(
      'Set DATABASE_URL, in the environment or in .env. (`npm start` prints that of its own Postgres in DATA_DIR/logs.)',
    );
  }
  const db = connectDatabase(url, { poolMax: 2, applicationName: 'booking-command', acquireMs: 5_000 });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}
