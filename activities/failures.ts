import { ApplicationFailure } from '@temporalio/common';
import { FinalFailure, NotYet } from '../core/failures.ts';

/** Says in Temporal's words why a verb failed, and when it is to be tried again. Any other error is a bug or an outage. */
export function toApplicationFailure(error: unknown): unknown {
  if (error instanceof FinalFailure) return ApplicationFailure.nonRetryable(error.message, error.type);
  if (error instanceof NotYet) {
    const { message, type, retryInMs } = error;
    return ApplicationFailure.create({
      message,
      type,
      ...(retryInMs !== undefined && { nextRetryDelay: retryInMs }),
    });
  }
  return error;
}

type Activity = (input: never) => Promise<unknown>;

/** The same activities, whose failures are told in Temporal's words. */
export function mapFailures<A extends Record<string, Activity>>(activities: A): A {
  const mapped = Object.entries(activities).map(([name, activity]) => [
    name,
    async (input: never) => {
      try {
        return await activity(input);
      } catch (error) {
        throw toApplicationFailure(error);
      }
    },
  ]);
  return Object.fromEntries(mapped) as A;
}
