import { createTemplate, copyTemplate, type DatabaseCopy, databaseServerOf } from '../dev/databases.ts';
import { bareEnvironment, nodeProcess } from '../dev/processes/node-process.ts';
import type { ProcessSpec } from '../dev/processes.ts';
import { type Stack, startTemporaryStack } from '../dev/stack.ts';
import { writeWorkflowBundle } from '../dev/workflow-bundle.ts';
import { seedTemplate } from './seed.ts';

const template = 'bench_template';

/**
 * Everything that the figures share: a temporary directory, one Postgres that waits for its disk as in production, a
 * migrated database to copy, and the bundled workflows. All of it is removed by `stop`, or when the bench dies.
 */
export const startEnvironment = (log: (line: string) => void) =>
  startTemporaryStack({ name: 'bench', log, restart: false }, prepare);

async function prepare(stack: Stack) {
  const settings = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };
  const [postgres, workflowBundle] = await Promise.all([
    stack.startPostgres({ settings }),
    writeWorkflowBundle(stack.dataDir),
  ]);
  const server = databaseServerOf(postgres);
  await createTemplate(server, template, seedTemplate);
  let databases = 0;
  return {
    stack,
    workflowBundle,
    postgresPid: postgres.pid,
    /** The service's address of the server, without a database of its own. */
    appUrl: server.appUrl,
    postgresName: postgres.description.replace(/ \(.*/, ''),
    /** A new database that contains the rooms and users. */
    newDatabase: (): Promise<DatabaseCopy> => copyTemplate(server, template, `bench_${++databases}`),
  };
}

export type Environment = Awaited<ReturnType<typeof startEnvironment>>;

/** For profiles: `BENCH_NODE_ARGS=--cpu-prof` reaches the API and the workers. */
export const nodeArgs = (): string[] => process.env['BENCH_NODE_ARGS']?.split(' ').filter(Boolean) ?? [];

/** A script of the bench as a process without our settings in its environment. */
export const benchProcess = (name: string, script: string, args: readonly string[]): ProcessSpec =>
  nodeProcess({ name, script, args, nodeArgs: nodeArgs(), env: bareEnvironment() });
