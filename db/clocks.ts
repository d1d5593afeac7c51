import { clockSkewMaxMs } from '../domain/limits.ts';
import { raiseFlag } from './flags.ts';
import { type Db, rows } from './knex.ts';

/**
 * The clock that must confirm, besides the database's, that a time has passed: this process's, or Temporal's, whose
 * timer has woken the workflow. So no single clock that is ahead can end a hold or a stay too early.
 */
export type SecondClock = 'process' | 'temporal';

/** Upper bound of the current time by that clock: ISO 8601, or `infinity`. */
export const latestBy = (clock: SecondClock): string =>
  clock === 'temporal' ? 'infinity' : new Date().toISOString();

/**
 * Checks that the database's clock and this process's differ by less than a minute. It runs before time decides
 * something irreversible for many rows: a host whose clock is a day ahead must not end what is still to come. A
 * disagreement raises a flag for staff.
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
