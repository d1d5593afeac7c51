import { setTimeout as sleep } from 'node:timers/promises';
import { passingFaultKinds } from 'stripe-emulator';
import type { Bank } from './bank.ts';
import type { ChaosStack, LinkName, PartName } from './chaos-stack.ts';
import type { FaultKind } from './options.ts';
import type { Random } from './random.ts';
import { makeReadOnly } from './read-only.ts';
import type { RoomEdits } from './room-edits.ts';
import { freezeFor, send } from './signals.ts';
import { type Stop, stopPart } from './stops.ts';

export interface StrikeOptions {
  holdMs: number;
  /** How long a freeze, a broken link, a read-only database or a stopped log lasts at most. */
  lastsMsMax: number;
  /** How long a clock is wrong at most. */
  clockMsMax: number;
  bank: Bank;
  rooms: RoomEdits;
  /** Receives each fault and its target. */
  note: (what: string, where?: string) => void;
}

const serviceNames = ['api-1', 'api-2', 'worker-1', 'worker-2'] as const;

/** Each kind of fault: it strikes at random, and resolves when it is over. */
export function createStrikes(stack: ChaosStack, options: StrikeOptions) {
  const { holdMs, lastsMsMax, clockMsMax, bank, rooms, note } = options;
  const partNames = Object.keys(stack.parts) as PartName[];
  const linkNames = Object.keys(stack.links) as LinkName[];
  const stops: Stop[] = [];
  const frozen = new Set<number>();
  let clockIsWrong = false;
  let databaseClockMs = 0;

  const duration = (random: Random) => Math.round(1_000 + (lastsMsMax - 1_000) * random.next() ** 2);

  function kill(random: Random): void {
    const name = random.pick(partNames);
    const pid = stack.parts[name].pid();
    if (pid === undefined || frozen.has(pid)) return;
    note(`SIGKILL ${name.replace(/-\d$/, '')}`, name);
    send(pid, 'SIGKILL');
  }

  /** Only API and worker are stopped by SIGTERM, as in a deploy. */
  async function terminate(random: Random): Promise<void> {
    const name = random.pick(serviceNames);
    note(`SIGTERM ${name.replace(/-\d$/, '')}`, name);
    await stop(name);
  }

  async function stop(name: (typeof serviceNames)[number]): Promise<void> {
    const stopped = await stopPart(name, stack.parts[name]);
    if (stopped) stops.push(stopped);
  }

  /** A log has no reader, or its disk is full; the process is asked to stop meanwhile. */
  async function stopLog(random: Random): Promise<void> {
    const name = random.pick(serviceNames);
    const fills = random.chance(0.5);
    const lastsMs = duration(random);
    const output = stack.outputs[name];
    note(fills ? 'log disk full' : 'log reader stalls', `${name} for ${lastsMs} ms`);
    if (fills) {
      output.fillDisk(true);
      await stop(name);
    } else {
      output.stall(true);
    }
    await sleep(lastsMs);
    if (fills) output.fillDisk(false);
    await stop(name);
    output.stall(false);
  }

  async function readOnly(random: Random): Promise<void> {
    const lastsMs = duration(random);
    note('read-only database', `for ${lastsMs} ms`);
    await makeReadOnly(stack, lastsMs);
  }

  async function jumpClock(random: Random): Promise<void> {
    const name = random.pick(['database', 'database', 'worker-1', 'worker-2'] as const);
    const lastsMs = random.between(clockMsMax / 4, clockMsMax);
    const clock = stack.clocks?.[name];
    // Only one clock is wrong at a time: two that agree on a wrong time cannot be detected.
    if (!clock || clockIsWrong) return;
    note(`clock of ${name.replace(/-\d$/, '')}`, `${name} for ${lastsMs} ms`);
    clockIsWrong = true;
    clock.jump();
    await sleep(lastsMs);
    clock.comeBack();
    clockIsWrong = false;
    if (name === 'database') databaseClockMs = Math.max(databaseClockMs, lastsMs);
  }

  async function moveMoney(random: Random): Promise<void> {
    const did = await bank.strike(random).catch((error: unknown) => `failed: ${(error as Error).message}`);
    note('bank', did);
  }

  async function editRoom(random: Random): Promise<void> {
    const did = await rooms.edit(random).catch((error: unknown) => `failed: ${(error as Error).message}`);
    note(did.startsWith('room') ? 'room edited' : 'room edit refused', did);
  }

  async function freeze(random: Random): Promise<void> {
    const name = random.pick(partNames);
    const pid = stack.parts[name].pid();
    const lastsMs = duration(random);
    if (pid === undefined || frozen.has(pid)) return;
    note(`SIGSTOP ${name.replace(/-\d$/, '')}`, name);
    frozen.add(pid);
    await freezeFor(pid, lastsMs);
    frozen.delete(pid);
  }

  async function breakLink(random: Random): Promise<void> {
    const name = random.pick(linkNames);
    const mode = random.pick(['refuse', 'freeze', 'mute', random.between(20, 1_500)] as const);
    const lastsMs = duration(random);
    note(`link ${typeof mode === 'number' ? 'delay' : mode}`, `${name} ${mode} for ${lastsMs} ms`);
    stack.links[name].set(mode);
    await sleep(lastsMs);
    stack.links[name].set('forward');
  }

  async function stirWebhooks(random: Random): Promise<void> {
    note('webhooks');
    await stack.stripe.setWebhookBehaviour({
      duplicate: random.between(0, 3),
      delayMs: [0, random.pick([0, 500, holdMs, holdMs * 3])],
      reorder: random.chance(0.5),
      dropRate: random.pick([0, 0.1, 0.4]),
      loseRate: random.pick([0, 0, 0.1]),
    });
  }

  async function upsetStripe(random: Random): Promise<void> {
    const kind = random.pick(passingFaultKinds);
    note(`stripe ${kind}`);
    const lastsMs = duration(random);
    await stack.stripe.failNext({ kind, count: 1_000, probability: random.pick([0.1, 0.5, 1]) });
    await stack.stripe.setLatency(random.pick([0, 0, 300, 2_000]));
    await sleep(lastsMs);
    await stack.stripe.clearFaults();
    await stack.stripe.setLatency(0);
  }

  async function strike(kind: FaultKind, random: Random): Promise<void> {
    switch (kind) {
      case 'kill':
        return kill(random);
      case 'term':
        return terminate(random);
      case 'freeze':
        return freeze(random);
      case 'link':
        return breakLink(random);
      case 'webhooks':
        return stirWebhooks(random);
      case 'stripe':
        return upsetStripe(random);
      case 'readonly':
        return readOnly(random);
      case 'clock':
        return jumpClock(random);
      case 'log':
        return stopLog(random);
      case 'bank':
        return repeat(random, moveMoney);
      case 'rooms':
        return repeat(random, editRoom);
    }
  }

  /** Repeats an instantaneous fault a few times over a while. */
  async function repeat(random: Random, act: (random: Random) => Promise<void>): Promise<void> {
    for (let left = random.between(2, 6); left > 0; left--) {
      await act(random);
      await sleep(random.between(200, 1_500));
    }
  }

  return {
    strike,
    /** How long each process took to end after it was asked to stop. */
    stops,
    /** The longest time for which the database's clock was wrong. */
    databaseClockMs: () => databaseClockMs,
  };
}
