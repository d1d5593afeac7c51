// `npm run schema:dump`: writes db/schema.sql anew, from a database that the migrations have just made.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../commands/command.ts';
import { connectDatabase } from '../db/knex.ts';
import { migrate } from '../db/migrate.ts';
import { dumpSchema } from '../db/schema-dump.ts';
import { startPostgres } from './postgres.ts';
import { createProcesses } from './processes.ts';
import { PROJECT_DIR } from './project-dir.ts';

const help = `
npm run schema:dump

Writes db/schema.sql: the tables, constraints, indexes, triggers, signatures and
grants that the migrations make, as the catalog of a new database has them. The
database is started for this, and thrown away.
`;

await runCommand({
  help,
  options: {},
  async run() {
    const dir = mkdtempSync(join(tmpdir(), 'booking-schema-'));
    chmodSync(dir, 0o755); // Postgres may run as another user.
    const log = (line: string) => console.log(line);
    const processes = createProcesses({ dir, announce: log, restart: false, removeDirWhenOrphaned: true });
    try {
      const settings = { fsync: 'off' };
      const postgres = await startPostgres({ dataDir: dir, port: 0, log, processes, settings });
      const { DATABASE_URL: appUrl, MIGRATE_DATABASE_URL: ownerUrl } = postgres.settings;
      await migrate(ownerUrl, { appUrl });
      const db = connectDatabase(ownerUrl, { poolMax: 1, applicationName: 'booking-schema' });
      writeFileSync(join(PROJECT_DIR, 'db/schema.sql'), await dumpSchema(db));
      await db.destroy();
      log('Wrote db/schema.sql.');
    } finally {
      await processes.stopAll();
      rmSync(dir, { recursive: true, force: true });
    }
  },
});
