import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { copyTemplate, type DatabaseCopy } from '../../dev/databases.ts';

export type TestDatabase = DatabaseCopy;

/** A fresh, migrated, empty database of one's own: a copy of the run's template. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { template, ...server } = inject('postgres');
  return copyTemplate(server, template, `test_${randomBytes(6).toString('hex')}`);
}
