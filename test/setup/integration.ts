import type { TestProject } from 'vitest/node';
import { createTemplate, type DatabaseServer, databaseServerOf } from '../../dev/databases.ts';
import { startTemporaryStack } from '../../dev/stack.ts';
import { writeWorkflowBundle } from '../../dev/workflow-bundle.ts';

/** The database that every test's own is a copy of. */
const template = 'booking_template';

const log = (line: string) => console.log(line);

/**
 * Before the integration tests: one Postgres and one Temporal server of our own, on free ports, in a temporary
 * directory. Both end with the run, however it ends; their data is thrown away, so nothing waits for the disk.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { stop } = await startTemporaryStack({ name: 'test', log, restart: false }, async (stack) => {
    const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
    const [server, temporal, workflowBundle] = await Promise.all([
      stack.startPostgres({ settings }).then(async (postgres) => {
        const found = databaseServerOf(postgres);
        await createTemplate(found, template);
        return found;
      }),
      stack.startTemporal(),
      writeWorkflowBundle(stack.dataDir),
    ]);
    project.provide('workflowBundle', workflowBundle);
    project.provide('postgres', { ...server, template });
    project.provide('temporal', {
      address: temporal.settings.TEMPORAL_ADDRESS,
      namespace: temporal.settings.TEMPORAL_NAMESPACE,
    });
  });
  return stop;
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Addresses of the run's Postgres: the superuser's, the schema owner's and the service's role. */
    postgres: DatabaseServer & { template: string };
    /** The run's Temporal dev server, shared by all test files: take a task queue of your own. */
    temporal: { address: string; namespace: string };
    /** The workflows, bundled once for all test files. */
    workflowBundle: string;
  }
}
