import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './browser.ts';
import type { Faults } from './faults.ts';
import type { ChaosStack } from './chaos-stack.ts';
import type { Violation } from './invariants.ts';
import { freezeFor, send } from './signals.ts';

/** Pause between two outages, to show that the service recovered by itself. */
const reliefMs = 15_000;
const answerMsMax = 3_000;

interface Step {
  what: string;
  lastsMs: number;
  strike: () => Promise<void>;
}

/** Temporal and Postgres, each killed, restarted in an orderly way, frozen and unreachable for `outageMs`, in turn. */
export function createOutages(stack: ChaosStack, outageMs: number): Faults & { totalMs: number } {
  const counts: Record<string, number> = {};
  const diary: string[] = [];
  const steps = (['temporal', 'postgres'] as const).flatMap((name): Step[] => {
    const pidNow = (): number => {
      const pid = stack.parts[name].pid();
      if (pid === undefined) throw new Error(`${name} is not running`);
      return pid;
    };
    const signal = async (kind: 'SIGKILL' | 'SIGTERM') => send(pidNow(), kind);
    const cutOff = async () => {
      const links = [stack.links[`api-${name}`], stack.links[`worker-${name}`]];
      for (const link of links) link.set('refuse');
      await sleep(outageMs);
      for (const link of links) link.set('forward');
    };
    return [
      { what: `SIGKILL ${name}`, lastsMs: 0, strike: () => signal('SIGKILL') },
      { what: `SIGTERM ${name}`, lastsMs: 0, strike: () => signal('SIGTERM') },
      {
        what: `SIGSTOP ${name}`,
        lastsMs: outageMs,
        strike: async () => freezeFor(pidNow(), outageMs),
      },
      { what: `${name} refuses`, lastsMs: outageMs, strike: cutOff },
    ];
  });
  let running: Promise<void> = Promise.resolve();
  return {
    counts,
    diary,
    stops: [],
    databaseClockMs: () => 0,
    totalMs: steps.reduce((sum, { lastsMs }) => sum + lastsMs + reliefMs, reliefMs),
    start(): void {
      running = (async () => {
        for (const { what, strike } of steps) {
          await sleep(reliefMs);
          counts[what] = 1;
          diary.push(`${new Date().toISOString()} ${what}`);
          await strike();
        }
      })();
    },
    async stop(): Promise<void> {
      await running;
    },
  };
}

/** Checks that every answer came within three seconds, whatever was down. */
export function tooSlow(answers: readonly Answer[]): Violation[] {
  return answers
    .filter(({ sentAt, answeredAt }) => answeredAt - sentAt > answerMsMax)
    .map(({ call, status, code, sentAt, answeredAt }) => ({
      invariant: 'slow',
      what: `${call} at ${new Date(sentAt).toISOString()} took ${answeredAt - sentAt} ms: ${status} ${code}`,
    }));
}
