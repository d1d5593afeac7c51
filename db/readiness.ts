import { performance } from 'node:perf_hooks';
import type { Db } from './knex.ts';
import { sql } from './sql.ts';

/** Anybody may call `/readyz`: this process writes at most once a second for it, however often it is called. */
const probeEveryMs = 1_000;

/**
 * Checks by writing that the database accepts writes: a standby, a full disk and a missing privilege are the same to a
 * waiting client.
 * @returns a probe that rejects with the error of the write
 */
export function createWriteProbe(db: Db): () => Promise<unknown> {
  let probedAtMs = -Infinity;
  let probe: Promise<unknown> = Promise.resolve();

  const write = () =>
    sql(
      db,
      'write_probe',
      `insert into readiness (checked_at) values (clock_timestamp())
       on conflict (id) do update set checked_at = excluded.checked_at`,
    );

  return () => {
    const nowMs = performance.now();
    if (nowMs - probedAtMs >= probeEveryMs) {
      probedAtMs = nowMs;
      probe = write();
    }
    return probe;
  };
}
