import { setTimeout as sleep } from 'node:timers/promises';
import { checkInvariants, type Violation } from './invariants.ts';
import type { Evidence } from './facts.ts';

/**
 * Longer than everything that may legitimately still run when the faults stop: back-off of activities (30 s), of the
 * refunds (minutes, after many failures), of the webhooks (30 s, shortened here), and the 60 s that a hold may be late.
 */
const quietMsMax = 240_000;
const lookEveryMs = 3_000;

/**
 * Collects and checks the evidence repeatedly until no violation is left, or the time is up: work that is unfinished
 * when the faults stop is not a violation. A lasting violation (a double booking) stays one however long this waits.
 */
export async function awaitQuiet(
  collect: () => Promise<Evidence>,
  say: (line: string) => void,
): Promise<{ evidence: Evidence; violations: Violation[]; tookMs: number }> {
  const begun = Date.now();
  for (let look = 0; ; look++) {
    const tookMs = Date.now() - begun;
    const evidence = await collect().catch((error: unknown) => {
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
