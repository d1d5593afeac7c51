import { inject } from 'vitest';
import { type PoolMode, startPgBouncer } from '../../dev/pgbouncer.ts';
import { startTemporaryStack } from '../../dev/stack.ts';

const log = (line: string) => console.log(line);

/** A PgBouncer before the run's Postgres, for the service's role and the owner's. */
export async function startPooler(mode: PoolMode) {
  const { adminUrl, ownerUrl, appUrl } = inject('postgres');
  const passwords = Object.fromEntries(
    [ownerUrl, appUrl].map((url) => [new URL(url).username, new URL(url).password]),
  );
  const { host: server } = new URL(adminUrl);
  return startTemporaryStack({ name: 'pooler', log, restart: false }, async ({ dataDir: dir, processes }) => {
    const options = { name: 'pgbouncer', dir, mode, server, passwords, processes, log };
    return { address: (await startPgBouncer(options)).address };
  });
}
