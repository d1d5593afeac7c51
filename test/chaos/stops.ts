import { setTimeout as sleep } from 'node:timers/promises';
import { send } from './signals.ts';

/** How long a process took to end after SIGTERM. */
export interface Stop {
  name: string;
  tookMs: number;
}

/** The time that a worker gives its activities, plus the time of a freeze and a margin: the limit of the wait. */
export const stopMsMax = 70_000;
const pollMs = 100;

/** Asks a process to stop and waits until it has ended. @returns undefined when there was no process */
export async function stopPart(
  name: string,
  { pid }: { pid: () => number | undefined },
): Promise<Stop | undefined> {
  const asked = pid();
  if (asked === undefined) return undefined;
  const begun = Date.now();
  send(asked, 'SIGTERM');
  while (pid() === asked && Date.now() - begun <= stopMsMax) await sleep(pollMs);
  return { name, tookMs: Date.now() - begun };
}
