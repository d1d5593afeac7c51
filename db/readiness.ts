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
export function createWriteProbe(db: Db): () => Promise<void> {
  let probedAtMs = -Infinity;
  let probe: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    // Not behind another process' probe: that one answers the same question.
    const found = await sql<{ done: boolean }>(
      db,
      'write_probe',
      `with free as (select id from readiness for no key update skip locked)
       update readiness r set checked_at = clock_timestamp() from free where r.id = free.id returning true as done`,
    );
    if (found.length > 0) return;
    const [row] = await sql<{ fresh: boolean }>(
      db,
      'write_probe_of_others',
      `select checked_at > clock_timestamp() - interval '10 seconds' as fresh from readiness`,
    );
    if (!row?.fresh) throw new Error('No write to the table readiness has succeeded for ten seconds.');
  }

  return () => {
    const nowMs = performance.now();
    if (nowMs - probedAtMs >= probeEveryMs) {
      probedAtMs = nowMs;
      probe = write();
    }
    return probe;
  };
}
