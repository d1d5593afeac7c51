import { setTimeout as sleep } from 'node:timers/promises';
import type { JobResult, Model } from './job.ts';
import type { Lane, OpenTarget } from './targets.ts';

/** A timer may fire this late; a request sent within it counts from its sending. */
const timerSlackMs = 2;
const lanesMax = 400;
/** The open model stops waiting for answers this long after the last request. */
const drainMs = 20_000;

/** Records latencies and statuses. */
function createTally() {
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  let bytes = 0;
  return {
    add(latencyMs: number, status: number, size: number): void {
      latencies.push(latencyMs);
      statuses[status] = (statuses[status] ?? 0) + 1;
      bytes += size;
    },
    addFailure(error: unknown): void {
      const why = error instanceof Error ? error.message : String(error);
      statuses[why] = (statuses[why] ?? 0) + 1;
    },
    result: (elapsedMs: number, sent: number): JobResult => ({
      elapsedMs,
      sent,
      bytes,
      statuses,
      latenciesMs: Float64Array.from(latencies),
    }),
  };
}

export function runModel(target: OpenTarget, model: Model): Promise<JobResult> {
  return model.kind === 'closed' ? runClosed(target, model) : runOpen(target, model);
}

async function runClosed(target: OpenTarget, model: Extract<Model, { kind: 'closed' }>): Promise<JobResult> {
  const tally = createTally();
  const count = Math.min(model.requestsMax, target.count);
  const lanes = Array.from({ length: model.clients }, () => target.newLane());
  await Promise.all(lanes.map((lane) => lane.open()));
  let sent = 0;
  const begun = performance.now();
  const end = begun + model.forMs;
  async function client(lane: Lane): Promise<void> {
    while (sent < count && performance.now() < end) {
      const at = performance.now();
      try {
        const { status, bytes } = await lane.send(sent++);
        tally.add(performance.now() - at, status, bytes);
      } catch (error) {
        tally.addFailure(error);
        return;
      }
    }
  }
  await Promise.all(lanes.map(client));
  const elapsedMs = performance.now() - begun;
  for (const lane of lanes) await lane.close();
  return tally.result(elapsedMs, sent);
}

async function runOpen(target: OpenTarget, model: Extract<Model, { kind: 'open' }>): Promise<JobResult> {
  const tally = createTally();
  const count = Math.min(Math.floor((model.forMs / 1000) * model.perSecond), target.count);
  const first = Array.from({ length: 8 }, () => target.newLane());
  await Promise.all(first.map((lane) => lane.open()));
  const free = [...first];
  const all = [...first];
  const queue: { number: number; dueMs: number }[] = [];
  let underWay = 0;

  async function send(lane: Lane, number: number, dueMs: number): Promise<void> {
    underWay++;
    const at = performance.now();
    const fromMs = at - dueMs <= timerSlackMs ? at : dueMs;
    try {
      const { status, bytes } = await lane.send(number);
      tally.add(performance.now() - fromMs, status, bytes);
      free.push(lane);
    } catch (error) {
      tally.addFailure(error);
      all.splice(all.indexOf(lane), 1);
    }
    underWay--;
    pump();
  }

  function pump(): void {
    while (queue.length > 0) {
      const lane = free.pop() ?? openAnother();
      const next = lane && queue.shift();
      if (!next) return;
      void send(lane, next.number, next.dueMs);
    }
  }

  function openAnother(): Lane | undefined {
    if (all.length >= lanesMax) return undefined;
    const lane = target.newLane();
    all.push(lane);
    lane.open().then(
      () => {
        free.push(lane);
        pump();
      },
      (error: unknown) => {
        tally.addFailure(error);
        all.splice(all.indexOf(lane), 1);
      },
    );
    return undefined;
  }

  const begun = performance.now();
  const stepMs = 1000 / model.perSecond;
  for (let number = 0; number < count; ) {
    while (number < count && begun + number * stepMs <= performance.now()) {
      queue.push({ number, dueMs: begun + number * stepMs });
      number++;
    }
    pump();
    if (number < count) await sleep(Math.max(0, begun + number * stepMs - performance.now()));
  }
  const giveUpAt = performance.now() + drainMs;
  while ((underWay > 0 || queue.length > 0) && performance.now() < giveUpAt) await sleep(2);
  for (let lost = underWay + queue.length; lost > 0; lost--) tally.addFailure('no answer in time');
  const elapsedMs = performance.now() - begun;
  for (const lane of all) await lane.close();
  return tally.result(elapsedMs, count);
}
