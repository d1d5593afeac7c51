import { createTemplate, copyTemplate, type DatabaseCopy, databaseServerOf } from '../dev/databases.ts';
import { bareEnvironment, nodeProcess } from '../dev/processes/node-process.ts';
import type { ProcessSpec } from '../dev/processes.ts';
import { type Stack, startTemporaryStack } from '../dev/stack.ts';
import { writeWorkflowBundle } from '../dev/workflow-bundle.ts';
import { seedTemplate } from './seed.ts';

const template = 'bench_template';

/**
 * What all figures share: a temporary directory, one Postgres that waits for its disk as in production, a migrated
 * database to copy, and the bundled workflows. All of it is gone after `stop`, or when the bench dies.
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
    postgresName: postgres.description.replace(/ \(.*/, ''),
    /** A database of one's own, with the rooms and users in it. */
    newDatabase: (): Promise<DatabaseCopy> => copyTemplate(server, template, `bench_${++databases}`),
  };
}

export type Environment = Awaited<ReturnType<typeof startEnvironment>>;

/** For profiles: `BENCH_NODE_ARGS=--cpu-prof` reaches the API and the workers. */
export const nodeArgs = (): string[] => process.env['BENCH_NODE_ARGS']?.split(' ').filter(Boolean) ?? [];

/** A script of the bench as a process that sees no settings of ours. */
export const benchProcess = (name: string, script: string, args: readonly string[]): ProcessSpec =>
  nodeProcess({ name, script, args, nodeArgs: nodeArgs(), env: bareEnvironment() });
