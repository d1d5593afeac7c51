// `npm run schema:dump`: writes db/schema.sql anew, from a database that the migrations have just made.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../commands/command.ts';
import { connectDatabase } from '../db/knex.ts';
import { migrate } from '../db/migrate.ts';
import { dumpSchema } from '../db/schema-dump.ts';
import { projectDir } from './project-dir.ts';
import { startTemporaryStack } from './stack.ts';

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
    const log = (line: string) => console.log(line);
    const { stop } = await startTemporaryStack({ name: 'schema', log, restart: false }, async (stack) => {
      const postgres = await stack.startPostgres({ settings: { fsync: 'off' } });
      const { DATABASE_URL: appUrl, MIGRATE_DATABASE_URL: ownerUrl } = postgres.settings;
      await migrate(ownerUrl, { appUrl });
      const db = connectDatabase(ownerUrl, { poolMax: 1, applicationName: 'booking-schema' });
      writeFileSync(join(projectDir, 'db/schema.sql'), await dumpSchema(db));
      await db.destroy();
    });
    await stop();
    log('Wrote db/schema.sql.');
  },
});
