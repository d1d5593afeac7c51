import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';

/** By itself an attempt to reach a machine that drops packets would last two minutes. */
const attemptMs = 5_000;
const againMs = 2_000;

/**
 * Waits for Temporal instead of failing: it may be started after the worker, be away for a while, or listen before
 * it serves. Returns once the namespace can be read, which is what the worker itself asks for first.
 *
 * @param stopping ends the wait
 * @returns undefined when `stopping` came first
 */
export async function connectWhenReady(
  temporal: Config['temporal'],
  log: Logger,
  stopping: AbortSignal,
): Promise<NativeConnection | undefined> {
  while (!stopping.aborted) {
    try {
      return await Promise.race([connectOnce(temporal), once(stopping)]);
    } catch (error) {
      log.warn({ err: error, address: temporal.address }, 'Temporal is not responding; retrying');
      await sleep(againMs, undefined, { signal: stopping }).catch(() => {});
    }
  }
  return undefined;
}

function once(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
}

async function connectOnce(temporal: Config['temporal']): Promise<NativeConnection> {
  const connection = await withinTime(
    NativeConnection.connect({
      address: temporal.address,
      // Said either way: an API key alone would make the client turn it on.
      tls: temporal.tls ?? false,
      ...(temporal.apiKey && { apiKey: temporal.apiKey }),
    }),
  );
  try {
    await connection.withDeadline(Date.now() + attemptMs, () =>
      connection.workflowService.describeNamespace({ namespace: temporal.namespace }),
    );
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** The connection, if it comes in time; one that comes too late is closed. */
async function withinTime(connecting: Promise<NativeConnection>): Promise<NativeConnection> {
  const timer = new AbortController();
  const tooLate = sleep(attemptMs, undefined, { signal: timer.signal }).then(() => {
    void connecting.then(
      (connection) => connection.close(),
      () => {},
    );
    throw new Error(`no connection within ${attemptMs} ms`);
  });
  try {
    return await Promise.race([connecting, tooLate]);
  } finally {
    timer.abort();
    tooLate.catch(() => {});
  }
}
