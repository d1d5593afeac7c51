import { setTimeout as sleep } from 'node:timers/promises';
import { checkInvariants, type Violation } from './invariants.ts';
import type { Evidence } from './facts.ts';

/**
 * Longer than everything that may rightly still go on when the faults stop: back-off of activities (30 s), of the
 * refunds (minutes, after many failures), of the webhooks (30 s, hurried), and the 60 s that a hold may be late.
 */
const quietMsMax = 240_000;
const lookEveryMs = 3_000;

/**
 * Looks at the evidence again and again until no violation is left, or the time is up: the work that is under way
 * when the faults stop is none. What cannot mend itself (a double booking) stays a violation however long one waits.
 */
export async function awaitQuiet(
  gather: () => Promise<Evidence>,
  say: (line: string) => void,
): Promise<{ evidence: Evidence; violations: Violation[]; tookMs: number }> {
  const begun = Date.now();
  for (let look = 0; ; look++) {
    const tookMs = Date.now() - begun;
    const evidence = await gather().catch((error: unknown) => {
      // The last fault may have ended a server that is only just starting again.
      if (tookMs > quietMsMax) throw error;
      return undefined;
    });
    if (!evidence) {
      await sleep(lookEveryMs);
      continue;
    }
    const violations = checkInvariants(evidence);
    if (violations.length === 0 || tookMs > quietMsMax) return { evidence, violations, tookMs };
    if (look % 5 === 0)
      say(
        `not quiet yet: ${violations.length} open points, e.g. ${violations[0]?.invariant}: ${violations[0]?.what}`,
      );
    await sleep(lookEveryMs);
  }
}
