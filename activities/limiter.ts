import { ApplicationFailure } from '@temporalio/common';

/** When to try again: soon enough for a hold at its deadline, and not all at once. */
const retryMs = () => 1_000 + Math.random() * 3_000;

/**
 * Bounds how many steps that ask Stripe run at once in this process. While Stripe hangs each of them takes seconds, comes
 * again and again, and holds a place of the worker's; what asks Postgres alone, such as a cancellation, finds one free.
 * @returns a wrapper of steps: one that comes beyond the bound fails at once, to be tried again soon
 */
export function createTurns(most: number) {
  let running = 0;
  return <Input, Output>(step: (input: Input) => Promise<Output>) =>
    async (input: Input): Promise<Output> => {
      if (running >= most) {
        throw ApplicationFailure.create({
          message: `${most} steps are asking Stripe already`,
          type: 'StripeTurnsTaken',
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

export type InTurn = ReturnType<typeof createTurns>;
