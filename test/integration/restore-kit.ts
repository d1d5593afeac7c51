import { delimiter, dirname, join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { projectDir } from '../../dev/project-dir.ts';
import { runTool } from '../../dev/run-tool.ts';
import { findTemporalTool } from '../../dev/temporal/binary.ts';
import { temporalCli } from '../../dev/temporal/tools.ts';

/** Queries the server as its superuser, outside of any test's database. */
export async function asAdmin(...statements: string[]): Promise<void> {
  const admin = new pg.Client({ connectionString: inject('postgres').adminUrl });
  await admin.connect();
  try {
    for (const statement of statements) await admin.query(statement);
  } finally {
    await admin.end();
  }
}

/** A database can be copied or renamed only without connections: for the service a short outage. */
export const alone = (name: string, ...statements: string[]) =>
  asAdmin(
    `alter database ${name} allow_connections false`,
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
    ...statements,
  );

/** The step of the operations page: a new namespace, by the script that it names. */
export async function makeNamespace(namespace: string): Promise<void> {
  const cli = await findTemporalTool(temporalCli, () => {});
  const env = {
    PATH: `${dirname(cli)}${delimiter}${process.env['PATH']}`,
    TEMPORAL_ADDRESS: inject('temporal').address,
    TEMPORAL_NAMESPACE: namespace,
  };
  const script = join(projectDir, 'ops/temporal/set-up-namespace.sh');
  const { code, stderr } = await runTool('sh', [script], { env, timeoutMs: 50_000 });
  if (code !== 0) throw new Error(stderr);
}
