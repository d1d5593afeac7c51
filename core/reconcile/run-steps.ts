import type { Logger } from 'pino';
import { endFlags, raiseFlag } from '../../db/flags.ts';
import type { Db } from '../../db/knex.ts';

/** One repair of the reconciler. */
export interface Step<Name extends string> {
  name: Name;
  /** How long the round waits for it. */
  withinMs: number;
  /** Begins nothing new after `stopAtMs` (`Date.now()`). @returns how much it found or did */
  run(stopAtMs: number): Promise<number>;
}

export interface StepsReport<Name extends string> {
  found: Record<Name, number | 'failed'>;
  /** Why a step failed. */
  failures: Partial<Record<Name, string>>;
  tookMs: Record<Name, number>;
}

/**
 * Runs the steps one after the other. Each has its own time and its own failure, which keeps none of the others from
 * their work: it is logged, reported and flagged until the step succeeds again.
 * @throws AggregateError when every step has failed: the database is away, and the round may be repeated
 */
export async function runSteps<Name extends string>(
  { db, log }: { db: Db; log: Logger },
  steps: readonly Step<Name>[],
): Promise<StepsReport<Name>> {
  const found = {} as Record<Name, number | 'failed'>;
  const tookMs = {} as Record<Name, number>;
  const failures: Partial<Record<Name, string>> = {};
  const errors: unknown[] = [];
  for (const step of steps) {
    const begun = performance.now();
    try {
      found[step.name] = await withinTime(step);
    } catch (error) {
      log.error({ err: error, step: step.name }, 'a step of the reconciler failed');
      found[step.name] = 'failed';
      failures[step.name] = error instanceof Error ? error.message : String(error);
      errors.push(error);
    }
    tookMs[step.name] = Math.round(performance.now() - begun);
  }
  if (errors.length === steps.length) throw new AggregateError(errors, 'every step of the reconciler failed');
  await flagFailures(db, steps, failures).catch((error: unknown) =>
    log.error({ err: error }, 'the failed steps of the reconciler could not be flagged'),
  );
  return { found, failures, tookMs };
}

/** A step that takes longer counts as failed; it continues in the background, which is harmless. */
async function withinTime(step: Step<string>): Promise<number> {
  const work = step.run(Date.now() + step.withinMs / 2);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const tooLate = () => reject(new Error(`not done within ${step.withinMs} ms`));
    timer = setTimeout(tooLate, step.withinMs);
  });
  work.catch(() => {});
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function flagFailures(
  db: Db,
  steps: readonly Step<string>[],
  failures: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (const [step, error] of Object.entries(failures)) {
    const detail = `This step of the reconciler fails, and nothing it repairs is repaired: ${error}`.slice(
      0,
      500,
    );
    await raiseFlag(db, { kind: 'reconcile_failed', subject: step, detail, standing: true });
  }
  const well = steps.filter(({ name }) => failures[name] === undefined).map(({ name }) => name);
  await endFlags(db, 'reconcile_failed', well);
}
