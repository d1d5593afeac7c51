import { Client, Connection } from '@temporalio/client';
import { afterAll, inject } from 'vitest';

/**
 * A client of the run's Temporal, past any proxy, for the tests of the file or `describe` that calls this: it connects
 * with its first use and is closed after the last test.
 */
export function useTemporal(): Client {
  const { address, namespace } = inject('temporal');
  const connection = Connection.lazy({ address });
  afterAll(() => connection.close());
  return new Client({ connection, namespace });
}
