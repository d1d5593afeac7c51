import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../chaos/signals.ts';
import { untilReady } from './probes.ts';
import type { PartName, Stack } from './stack.ts';

/** What happened when. Instants are Unix milliseconds. */
export interface Stage {
  name: string;
  from: number;
  to: number;
}

type Say = (line: string) => void;

/** Between two restarts there is a life, in which the others can be seen to carry on. */
const pauseMs = 3_000;
const restartMsMax = 120_000;

/** Runs something and notes when it was. */
export async function stage(name: string, say: Say, run: () => Promise<void>): Promise<Stage> {
  const from = Date.now();
  await run();
  const to = Date.now();
  say(`${name} (${Math.round((to - from) / 1_000)} s)`);
  return { name, from, to };
}

/** Restarts one API after the other three times, each when the one before is ready again: six restarts. */
export async function restartApisInTurn(stack: Stack, say: Say): Promise<Stage[]> {
  const stages: Stage[] = [];
  for (let round = 1; round <= 3; round++) {
    for (const name of ['api-1', 'api-2'] as const) {
      stages.push(
        await stage(`rolling restart ${round} of ${name}`, say, () => restart(stack, name, 'SIGTERM')),
      );
      await sleep(pauseMs);
    }
  }
  return stages;
}

/** Restarts, or kills, each part in turn. */
export async function strikeEach(stack: Stack, signal: 'SIGTERM' | 'SIGKILL', say: Say): Promise<Stage[]> {
  const stages: Stage[] = [];
  for (const name of Object.keys(stack.parts) as PartName[]) {
    stages.push(await stage(`${signal} ${name}`, say, () => restart(stack, name, signal)));
    await sleep(pauseMs);
  }
  return stages;
}

/** Sends the signal, waits for the end, and until the supervisor's next one serves. */
async function restart(stack: Stack, name: PartName, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const part = stack.parts[name];
  const before = part.pid();
  if (before === undefined) throw new Error(`${name} is not running`);
  // Postgres' fast shutdown (SIGINT) is what a restart of its service does; SIGTERM would wait for its clients.
  const orderly = name === 'postgres' && signal === 'SIGTERM' ? 'SIGINT' : signal;
  // A service manager kills the whole group; the workers of nginx outlive their master otherwise, with its ports.
  send(name === 'nginx' && signal === 'SIGKILL' ? -before : before, orderly);
  const end = Date.now() + restartMsMax;
  while (part.pid() === undefined || part.pid() === before) {
    if (Date.now() > end) throw new Error(`${name} did not come back within ${restartMsMax / 1_000} s`);
    await sleep(50);
  }
  await Promise.all(stack.apiUrls.map(untilReady));
}
