import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type PoolMode, startPgBouncer } from '../../dev/pgbouncer.ts';
import { createProcesses } from '../../dev/processes.ts';

const log = (line: string) => console.log(line);

/** A PgBouncer before the run's Postgres, for the service's role and the owner's. */
export async function startPooler(mode: PoolMode) {
  const { adminUrl, ownerUrl, appUrl } = inject('postgres');
  const dir = mkdtempSync(join(tmpdir(), 'booking-pooler-'));
  chmodSync(dir, 0o755); // It runs as `nobody`.
  const processes = createProcesses({ dir, announce: log, restart: false, removeDirWhenOrphaned: true });
  const passwords = Object.fromEntries(
    [ownerUrl, appUrl].map((url) => [new URL(url).username, new URL(url).password]),
  );
  const { host: server } = new URL(adminUrl);
  const { address } = await startPgBouncer({
    name: 'pgbouncer',
    dir,
    mode,
    server,
    passwords,
    processes,
    log,
  });
  return {
    address,
    async stop(): Promise<void> {
      await processes.stopAll();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
