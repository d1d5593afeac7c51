import { isDebug } from '../config.ts';
import { seed } from '../db/seed.ts';
import { runCommand, withDatabase } from './command.ts';

const help = `
npm run seed

Adds the demo rooms and, with DEBUG=true, the two demo accounts that the README
names. Existing ones stay as they are. Needs DATABASE_URL (environment or .env).
`;

await runCommand({
  help,
  options: {},
  async run() {
    const accounts = isDebug(process.env);
    await withDatabase((db) => seed(db, { accounts }));
    console.log(
      accounts ? 'Added demo rooms and accounts.' : 'Added demo rooms (accounts only with DEBUG=true).',
    );
  },
});
