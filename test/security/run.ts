import { inject } from 'vitest';

/** How much a run of the security tests does: `bounded` in every `npm test`, `full` by `npm run security`. */
export const isFull = (): boolean => inject('securityRun') === 'full';

/** The size for this run. */
export const sized = <T>(bounded: T, full: T): T => (isFull() ? full : bounded);

/**
 * A bound in ms on what the service promises to do in time. In full (`npm run security`, which has the machine to itself)
 * it is the promise. In `npm test` it is wide enough for a machine that is busy with other things: there it only tells an
 * answer that is given up in time from one that is waited for without a bound.
 */
export const timely = (ms: number): number => (isFull() ? ms : ms * 8);

declare module 'vitest' {
  export interface ProvidedContext {
    securityRun?: 'full';
  }
  interface TaskMeta {
    /** What the test measured, for the table of `npm run security`. */
    figure?: string;
  }
}
