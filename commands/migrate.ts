import pg from 'pg';
import { DatabaseUrlError, readDatabaseUrl } from '../db/database-url.ts';
import { migrate } from '../db/migrate.ts';
import { runCommand, UsageError } from './command.ts';

const help = `
npm run migrate -- [--wait SECONDS]

Brings the schema up to date. Any number may run at the same time, and a failed
one can be repeated. While another session (a backup) holds a lock that it needs,
it retries for five minutes, or as long as --wait says, without blocking the
service.
Needs DATABASE_URL (environment or .env). If the owner of the schema is another
role, set MIGRATE_DATABASE_URL to it; the role of DATABASE_URL then gets access
to the rows.
`;

const waitSecondsMax = 86_400;

function readWaitMs(text: unknown): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (text === '' || !(seconds >= 0 && seconds <= waitSecondsMax)) {
    throw new UsageError(`--wait must be a number of seconds, at most ${waitSecondsMax}.`);
  }
  return seconds * 1_000;
}

/** @throws UsageError that names an invalid setting */
function readUrl(setting: string): string | undefined {
  const url = process.env[setting] || undefined;
  try {
    if (url) readDatabaseUrl(url);
    return url;
  } catch (error) {
    if (error instanceof DatabaseUrlError) throw new UsageError(`${setting}: ${error.message}.`);
    throw error;
  }
}

await runCommand({
  help,
  options: { wait: { type: 'string' } },
  async run(values) {
    const waitMs = readWaitMs(values['wait']);
    const appUrl = readUrl('DATABASE_URL');
    const url = readUrl('MIGRATE_DATABASE_URL') ?? appUrl;
    if (!url) throw new UsageError('Set DATABASE_URL (or MIGRATE_DATABASE_URL, the owner of the schema).');
    try {
      await migrate(url, { appUrl, waitMs, log: (line) => console.log(line) });
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      // Knex puts the whole migration before Postgres's message.
      throw new Error(`Migration failed: ${error.message.split(' - ').at(-1)}`, { cause: error });
    }
  },
});
