import type { TestProject } from 'vitest/node';
import { findTemporalTestServer } from '../../dev/temporal-test-server.ts';

/** Before the workflow tests: makes sure that Temporal's time-skipping server is on this machine. */
export default async function setup(project: TestProject): Promise<void> {
  project.provide('temporalTestServerPath', await findTemporalTestServer((line) => console.log(line)));
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** For `createTimeSkipping({ server: { executable: { type: 'existing-path', path } } })`. */
    temporalTestServerPath: string;
  }
}
