import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { migrationNames } from '../db/migrations/index.ts';
import { runCommand, UsageError } from './command.ts';

const help = `
npm run migrate:make -- NAME

Creates the next migration, db/migrations/NNNN-NAME.sql, and adds it to the list.
NAME consists of lower-case words and hyphens, for example: add-room-floor
`;

const folder = new URL('../db/migrations/', import.meta.url);

await runCommand({
  help,
  options: {},
  takesNames: true,
  async run(_, [name, ...rest]) {
    if (!name || rest.length > 0) throw new UsageError('Give the migration one name.');
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
      throw new UsageError(`${JSON.stringify(name)}: use lower-case words and hyphens.`);
    }
    const last = Number(migrationNames.at(-1)?.slice(0, 4) ?? 0);
    const full = `${String(last + 1).padStart(4, '0')}-${name}`;
    const file = new URL(`${full}.sql`, folder);
    if (existsSync(file))
      throw new Error(`db/migrations/${full}.sql already exists, but is not in the list.`);
    const list = new URL('index.ts', folder);
    const text = readFileSync(list, 'utf8');
    const added = text.replace(/\n\];/, `\n  '${full}',\n];`);
    if (added === text)
      throw new Error('The list in db/migrations/index.ts does not have the expected form.');
    writeFileSync(file, '-- Why this change:\n\n', { flag: 'wx' });
    writeFileSync(list, added);
    console.log(`Created db/migrations/${full}.sql. Edit it, then run: npm run migrate`);
  },
});
