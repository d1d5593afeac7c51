import { performance } from 'node:perf_hooks';
import type { Db } from './knex.ts';
import { sql } from './sql.ts';

/** `/readyz` is anyone's to ask: however often, this process writes once a second for it. */
const probeEveryMs = 1_000;

/**
 * Asks whether the database takes writes, by writing: whether it says that it is a standby, that its disk is full or that
 * the role may not, is one to whoever waits for an answer.
 * @returns a probe that rejects with what the write was refused with
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
