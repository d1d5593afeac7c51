import { isDebug } from '../config.ts';
import { seed } from '../db/seed.ts';
import { runCommand, withDatabase } from './command.ts';

const help = `
npm run seed

Puts in the demo rooms and, with DEBUG=true, the two demo accounts that the
README names. What is there already stays as it is. Needs DATABASE_URL.
`;

await runCommand({
  help,
  options: {},
  async run() {
    const accounts = isDebug(process.env);
    await withDatabase((db) => seed(db, { accounts }));
    console.log(
      accounts ? 'Seeded demo rooms and accounts.' : 'Seeded demo rooms (accounts only with DEBUG=true).',
    );
  },
});
