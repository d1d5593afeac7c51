import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import type { Config } from '../../config.ts';
import { temporalCallMs } from '../../domain/limits.ts';
import { createStatusAttribute } from './status-attribute.ts';

const attemptsMax = 3;
/** A worker asks Temporal for work at least once a minute. */
const workerSilentSeconds = 90;
const healthMs = 800;

/**
 * The API's connection to Temporal. It connects at the first call, so the API starts without Temporal. Every call has
 * a deadline: the client itself waits 20 s for a server that is down, and for ever for one that is frozen.
 */
export function createTemporalConnection(settings: Config['temporal']) {
  const { namespace, taskQueue } = settings;
  const connection = Connection.lazy({
    address: settings.address,
    // An API key alone would turn TLS on.
    tls: settings.tls ?? false,
    ...(settings.apiKey && { apiKey: settings.apiKey }),
    // The client's ten attempts would outlast the deadline, which does not cut the pause between two attempts short.
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: attemptsMax }))],
  });
  const { workflow } = new Client({ connection, namespace });
  const statusAttribute = createStatusAttribute(connection, namespace);
  const underWay = new Set<Promise<unknown>>();

  function withDeadline<T>(call: () => Promise<T>, withinMs: number): Promise<T> {
    const answer = connection.withDeadline(Date.now() + withinMs, () =>
      call().catch(statusAttribute.rethrowAsOutage),
    );
    underWay.add(answer);
    const done = () => underWay.delete(answer);
    answer.then(done, done);
    return answer;
  }

  return {
    workflow,
    taskQueue,
    statusAttribute,

    /**
     * Makes calls to Temporal, all within one deadline.
     * @throws a gRPC error when there is no answer by then: what the server did is unknown
     */
    withDeadline: <T>(call: () => Promise<T>): Promise<T> => withDeadline(call, temporalCallMs),

    /**
     * Has a worker asked Temporal for work lately?
     * @throws a gRPC error when Temporal does not answer
     */
    async hasWorker(): Promise<boolean> {
      const queue = { namespace, taskQueue: { name: taskQueue } };
      const { pollers } = await withDeadline(
        () => connection.workflowService.describeTaskQueue(queue),
        healthMs,
      );
      const lately = Date.now() / 1_000 - workerSilentSeconds;
      return pollers.some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) > lately);
    },

    /** Closes the connection after the calls under way: a call that is being retried would lose it. */
    async close(): Promise<void> {
      await Promise.allSettled(underWay);
      await connection.close();
    },
  };
}

export type TemporalConnection = ReturnType<typeof createTemporalConnection>;
