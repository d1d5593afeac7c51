import { clockSkewMaxMs } from '../domain/limits.ts';
import { raiseFlag } from './flags.ts';
import { type Db, rows } from './knex.ts';

/**
 * What must say, beside the database's clock, that a time has passed: this process's clock, or Temporal's, whose timer has
 * woken the workflow that asks. So no single clock that is ahead ends what has not run out.
 */
export type SecondClock = 'process' | 'temporal';

/** The latest that it can be by that clock: ISO 8601, or `infinity`. */
export const latestBy = (clock: SecondClock): string =>
  clock === 'temporal' ? 'infinity' : new Date().toISOString();

/**
 * Do the database's clock and this process's agree to a minute? Asked before anything that cannot be undone is done to
 * many rows because of the time: a host whose clock is a day ahead for a minute must not end what is still to come. Where
 * they do not agree, staff finds a flag.
 */
export async function clocksAgree(db: Db): Promise<boolean> {
  const askedAt = Date.now();
  const [clock] = await rows<{ now: Date }>(db, 'select clock_timestamp() as now');
  const databaseNow = clock?.now.getTime() ?? Number.NaN;
  if (databaseNow > askedAt - clockSkewMaxMs && databaseNow < Date.now() + clockSkewMaxMs) return true;
  const seconds = Math.round((databaseNow - Date.now()) / 1000);
  const detail =
    `The database's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} that of a process of this ` +
    'service. Until they agree to a minute, holds and stays are not ended in bulk and nothing outdated is deleted.';
  await raiseFlag(db, { kind: 'clocks_differ', subject: 'database', detail });
  return false;
}
