import { findTemporalTool } from './temporal/binary.ts';
import { temporalTestServer } from './temporal/tools.ts';

/**
 * The path of Temporal's time-skipping test server, downloaded when it is not here. For
 * `createTimeSkipping({ server: { executable: { type: 'existing-path', path } } })`.
 */
export function findTemporalTestServer(log: (line: string) => void): Promise<string> {
  return findTemporalTool(temporalTestServer, log);
}
