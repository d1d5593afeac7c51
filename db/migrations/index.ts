import { readFileSync } from 'node:fs';
import type { Knex } from 'knex';
import { readSchema, schemaDigest } from '../schema/index.ts';

/**
 * The migrations, in order; names carry no file extension, because knex stores them. Until 1.0.0 there is only the
 * baseline, which is edited in place. After that a migration is never edited: a later one corrects it.
 */
export const migrationNames = [
  '0001-baseline', // the files of db/schema/
];

function readMigration(name: string): string {
  if (name === '0001-baseline')
    return `${readSchema()}\nupdate schema_baseline set digest = '${schemaDigest()}';`;
  return readFileSync(new URL(`./${name}.sql`, import.meta.url), 'utf8');
}

/** knex's view of the list: each migration is SQL text, and forward only (docs/operations.md, "Rolling back"). */
export const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => migrationNames,
  getMigrationName: (name) => name,
  getMigration: async (name) => ({
    up: (knex) => knex.raw(readMigration(name)),
    down: async () => {
      throw new Error(`${name} has no way back: write a migration that corrects it`);
    },
  }),
};
