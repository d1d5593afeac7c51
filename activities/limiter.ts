import { ApplicationFailure } from '@temporalio/common';

/** When a refused step is tried again: soon enough for a hold at its deadline, and not all at once. */
const retryMs = () => 1_000 + Math.random() * 3_000;

/**
 * Limits how many steps that ask Stripe run at once in this process. While Stripe hangs each takes seconds, is tried again
 * and again, and holds one of the worker's places; the limit keeps places for steps that ask Postgres alone, such as a
 * cancellation.
 * @returns a wrapper of steps: a step beyond the limit fails at once and is tried again soon, so that it holds no place
 */
export function createLimiter(stepsMax: number) {
  let running = 0;
  return <Input, Output>(step: (input: Input) => Promise<Output>) =>
    async (input: Input): Promise<Output> => {
      if (running >= stepsMax) {
        throw ApplicationFailure.create({
          message: `${stepsMax} steps are asking Stripe already`,
          type: 'StripeBusy',
          nextRetryDelay: retryMs(),
        });
      }
      running++;
      try {
        return await step(input);
      } finally {
        running--;
      }
    };
}

export type LimitStripe = ReturnType<typeof createLimiter>;
