import { setTimeout as sleep } from 'node:timers/promises';
import { passingFaultKinds } from 'stripe-emulator';
import type { ChaosStack, LinkName, PartName } from './chaos-stack.ts';
import type { FaultKind } from './options.ts';
import { createRandom } from './random.ts';
import { freezeFor, send } from './signals.ts';

export interface FaultOptions {
  kinds: readonly FaultKind[];
  seed: number;
  holdMs: number;
  /** How long a freeze or a broken link lasts at most. */
  lastsMsMax: number;
}

/** The pause between two faults; several may be at work at once. */
const pauseMs = [1_500, 5_000] as const;

/** Strikes repeatedly until it is stopped; then every process runs and every link is open. */
export function createFaults(stack: ChaosStack, { kinds, seed, holdMs, lastsMsMax }: FaultOptions) {
  const random = createRandom(seed, 'faults');
  const counts: Record<string, number> = {};
  const diary: string[] = [];
  const underWay = new Set<Promise<void>>();
  const frozen = new Set<number>();
  const partNames = Object.keys(stack.parts) as PartName[];
  const linkNames = Object.keys(stack.links) as LinkName[];
  let striking = false;
  let loop: Promise<void> = Promise.resolve();

  function note(what: string, where = ''): void {
    counts[what] = (counts[what] ?? 0) + 1;
    diary.push(`${new Date().toISOString()} ${what} ${where}`);
  }
  const duration = () => Math.round(1_000 + (lastsMsMax - 1_000) * random.next() ** 2);

  function strikePart(signal: 'SIGKILL' | 'SIGTERM'): void {
    // Only API and worker are stopped by SIGTERM, as in a deploy.
    const name = random.pick(signal === 'SIGKILL' ? partNames : partNames.slice(0, 4));
    const pid = stack.parts[name].pid();
    if (pid === undefined || frozen.has(pid)) return;
    note(`${signal} ${name.replace(/-\d$/, '')}`, name);
    send(pid, signal);
  }

  async function freeze(): Promise<void> {
    const name = random.pick(partNames);
    const pid = stack.parts[name].pid();
    const lastsMs = duration();
    if (pid === undefined || frozen.has(pid)) return;
    note(`SIGSTOP ${name.replace(/-\d$/, '')}`, name);
    frozen.add(pid);
    await freezeFor(pid, lastsMs);
    frozen.delete(pid);
  }

  async function breakLink(): Promise<void> {
    const name = random.pick(linkNames);
    const mode = random.pick(['refuse', 'freeze', 'mute', random.between(20, 1_500)] as const);
    const lastsMs = duration();
    note(`link ${typeof mode === 'number' ? 'delay' : mode}`, `${name} ${mode} for ${lastsMs} ms`);
    stack.links[name].set(mode);
    await sleep(lastsMs);
    stack.links[name].set('forward');
  }

  async function stirWebhooks(): Promise<void> {
    note('webhooks');
    await stack.stripe.setWebhookBehaviour({
      duplicate: random.between(0, 3),
      delayMs: [0, random.pick([0, 500, holdMs, holdMs * 3])],
      reorder: random.chance(0.5),
      dropRate: random.pick([0, 0.1, 0.4]),
      loseRate: random.pick([0, 0, 0.1]),
    });
  }

  async function upsetStripe(): Promise<void> {
    const kind = random.pick(passingFaultKinds);
    note(`stripe ${kind}`);
    const lastsMs = duration();
    await stack.stripe.failNext({ kind, count: 1_000, probability: random.pick([0.1, 0.5, 1]) });
    await stack.stripe.setLatency(random.pick([0, 0, 300, 2_000]));
    await sleep(lastsMs);
    await stack.stripe.clearFaults();
    await stack.stripe.setLatency(0);
  }

  async function strike(kind: FaultKind): Promise<void> {
    switch (kind) {
      case 'kill':
        return strikePart('SIGKILL');
      case 'term':
        return strikePart('SIGTERM');
      case 'freeze':
        return freeze();
      case 'link':
        return breakLink();
      case 'webhooks':
        return stirWebhooks();
      case 'stripe':
        return upsetStripe();
    }
  }

  async function run(): Promise<void> {
    while (striking) {
      const fault = strike(random.pick(kinds)).finally(() => underWay.delete(fault));
      underWay.add(fault);
      await sleep(random.between(...pauseMs));
    }
  }

  return {
    counts,
    /** The faults with their times, one line each. */
    diary,
    start(): void {
      striking = kinds.length > 0;
      loop = run();
    },
    /** Ends all faults, those under way included, and hurries the webhooks that wait for their next attempt. */
    async stop(): Promise<void> {
      striking = false;
      await loop;
      await Promise.all(underWay);
      for (const link of Object.values(stack.links)) link.set('forward');
      await stack.stripe.setWebhookBehaviour({
        duplicate: 0,
        delayMs: [0, 0],
        reorder: false,
        dropRate: 0,
        loseRate: 0,
      });
      await stack.stripe.retryNow();
    },
  };
}

export type Faults = ReturnType<typeof createFaults>;
