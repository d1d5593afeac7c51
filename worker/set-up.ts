import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Something that a namespace needs, made by whichever worker comes first. */
export interface SetUpStep {
  /** The label of the step in the metric `worker_setup_pending`. */
  name: 'search_attribute' | 'schedule';
  /** Logged when an attempt fails: what does not work meanwhile. */
  complaint: string;
  /**
   * Makes it, or finds it made; any number of workers may do so at once. `denied`: this worker is not allowed to, and
   * works without it.
   * @throws when it could not be made now
   */
  make: () => Promise<'made' | 'denied'>;
}

export interface SetUpDeps {
  log: Logger;
  /** Shows a step as outstanding (1) or done (0). */
  showPending: (step: SetUpStep['name'], pending: 0 | 1) => void;
  stopping: AbortSignal;
  /** Pause after the first failed attempt; it doubles up to `againMaxMs`. */
  againMs?: number;
  againMaxMs?: number;
}

/**
 * Takes the steps in the background, each until it has succeeded: a Temporal that is still starting refuses some of
 * them, and the worker runs without them meanwhile. Never rejects.
 */
export async function setUpNamespace(steps: readonly SetUpStep[], deps: SetUpDeps): Promise<void> {
  await Promise.all(steps.map((step) => repeatUntilMade(step, deps)));
}

async function repeatUntilMade(step: SetUpStep, deps: SetUpDeps): Promise<void> {
  const { log, showPending, stopping, againMs = 1_000, againMaxMs = 60_000 } = deps;
  showPending(step.name, 1);
  let complained = false;
  for (let pauseMs = againMs; !stopping.aborted; pauseMs = Math.min(2 * pauseMs, againMaxMs)) {
    try {
      const outcome = await step.make();
      if (outcome === 'denied') log.warn({ step: step.name }, `${step.complaint}: not allowed`);
      else if (complained) log.info({ step: step.name }, 'the namespace is set up now');
      showPending(step.name, 0);
      return;
    } catch (error) {
      // The first attempt that fails is told of; that it goes on failing shows in the metric.
      log[complained ? 'debug' : 'warn']({ err: error, step: step.name }, step.complaint);
      complained = true;
    }
    await sleep(pauseMs, undefined, { signal: stopping, ref: false }).catch(() => {});
  }
}
