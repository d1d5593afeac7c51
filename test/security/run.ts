import { inject } from 'vitest';

/** The extent of a run of the security tests: `bounded` in every `npm test`, `full` by `npm run security`. */
export const isFull = (): boolean => inject('securityRun') === 'full';

/** The size for this run. */
export const sized = <T>(bounded: T, full: T): T => (isFull() ? full : bounded);

/**
 * A bound in ms for answers that the service promises in time. In full (`npm run security`, which has the machine to
 * itself) it is the promise. In `npm test` it is wide enough for a busy machine: there it only detects an answer that
 * is awaited without any bound.
 */
export const timely = (ms: number): number => (isFull() ? ms : ms * 8);

declare module 'vitest' {
  export interface ProvidedContext {
    securityRun?: 'full';
  }
  interface TaskMeta {
    /** The measurement of the test, for the table of `npm run security`. */
    figure?: string;
  }
}
