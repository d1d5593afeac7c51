import { readFileSync } from 'node:fs';
import type { Knex } from 'knex';

/**
 * The list, in order. A released migration is never edited: a later one corrects it. Names carry no file
 * extension, because knex stores them.
 */
export const migrationNames = [
  '0001-initial',
  '0002-hold-slot',
  '0003-record-payment-event', // its function is dropped by 0009
  '0004-open-payment',
  '0005-panel',
  '0006-reconcile',
  '0007-settle-in-one-statement',
  '0008-record-payment-events', // its function is replaced by that of 0009
  '0009-record-payments-as-a-set',
  '0010-silence-of-stripe',
];

/** knex's view of the list: each migration is SQL text, and forward only (docs/operations.md, "Rolling back"). */
export const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => migrationNames,
  getMigrationName: (name) => name,
  getMigration: async (name) => ({
    up: (knex) => knex.raw(readFileSync(new URL(`./${name}.sql`, import.meta.url), 'utf8')),
    down: async () => {
      throw new Error(`${name} has no way back: write a migration that corrects it`);
    },
  }),
};
