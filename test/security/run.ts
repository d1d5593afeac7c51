import { inject } from 'vitest';

/** How much a run of the security tests does: `bounded` in every `npm test`, `full` by `npm run security`. */
export const isFull = (): boolean => inject('securityRun') === 'full';

/** The size for this run. */
export const sized = <T>(bounded: T, full: T): T => (isFull() ? full : bounded);

declare module 'vitest' {
  export interface ProvidedContext {
    securityRun?: 'full';
  }
  interface TaskMeta {
    /** What the test measured, for the table of `npm run security`. */
    figure?: string;
  }
}
