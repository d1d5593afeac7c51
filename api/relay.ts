import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { readBookingState } from '../db/booking-state.ts';
import type { Db } from '../db/knex.ts';
import { claimMessages, deleteMessages, type Message, putBack } from '../db/outbox.ts';
import { outboxLeaseMs, relayAttemptsMax, temporalReconnectMaxMs } from '../domain/limits.ts';
import { createBusyness } from './busyness.ts';
import type { Traffic } from './deps.ts';
import { isPoison, OrphanError, type WorkflowClient } from './workflow-client.ts';

interface RelayDeps {
  db: Db;
  log: Logger;
  workflows: WorkflowClient;
  /** Requests that the API is answering, and how many it ever began: the relay yields to them. */
  traffic: Pick<Traffic, 'inFlight' | 'begun'>;
}

/** Messages under way at once: few while requests are answered, more while the process is idle. */
const lanesBusy = 3;
const lanesIdle = 12;
/** What is kept in memory of what this process has written, while the leases last; the table has it all. */
const startsMax = 64;
const urgentMax = 2_000;
const pollMs = 1_000;
const batchMax = 64;
const deleteDelayMs = 50;
/** A lease began before we heard of it. */
const leaseDoubtMs = 500;

/** Starts fetched at a time while the API is busy: these when the oldest is new, a whole batch when it is so old. */
const startsAtATimeMin = 8;
const startLagMs = 60_000;
/** So many bookings whose payment has started their workflow are remembered. */
const begunMax = 10_000;

type Carried = Message & {
  id: string;
  attempts: number;
  /** Until then it is ours (`performance.now()`); from then on any relay finds it in the table, this one too. */
  leaseEndsMs: number;
};

/**
 * Carries messages from the outbox to Temporal, at least once, in every API process. What this process has just
 * committed it carries from memory; what others left, or what did not fit, it finds in the table when the lease
 * ends. Payments go before starts, and starts, which nobody waits for, yield to requests: while many are answered they
 * stay in the table and are fetched a few at a time, more the older they are. While Temporal is away it probes with
 * one message, and loses none.
 */
// eslint-disable-next-line max-lines-per-function -- a closure of small functions over one state
export function createRelay({ db, log, workflows, traffic }: RelayDeps) {
  /** Everything but starts. */
  const urgent: Carried[] = [];
  const starts: Carried[] = [];
  const kept = new Set<string>();
  /** By booking, the message that begins its workflow, if it has not begun: news of a payment. */
  const begunBy = new Map<string, number>();
  let delivered: string[] = [];
  let underWay = 0;
  let failures = 0;
  let running = false;
  let pausedUntil = 0;
  let pollTimer: NodeJS.Timeout | undefined;
  let deleteTimer: NodeJS.Timeout | undefined;
  let startsAtATime = startsAtATimeMin;
  const stats = { delivered: 0, outages: 0 };
  const isBusy = createBusyness(traffic, () => letGo(starts));

  function lanes(): number {
    if (failures > 0) return 1;
    return isBusy() || traffic.inFlight > 1 ? lanesBusy : lanesIdle;
  }

  function take(): Carried | undefined {
    for (;;) {
      const message = urgent.shift() ?? starts.shift();
      if (!message || message.leaseEndsMs > performance.now()) return message;
      kept.delete(message.id);
    }
  }

  function keep(message: Message & { id: string; attempts: number }, leaseMs: number): void {
    if (kept.has(message.id)) return;
    kept.add(message.id);
    const queue = message.topic === 'start_booking' ? starts : urgent;
    queue.push({ ...message, leaseEndsMs: performance.now() + leaseMs });
  }

  function pump(): void {
    while (running && Date.now() >= pausedUntil && underWay < lanes()) {
      const message = take();
      if (!message) return;
      underWay++;
      void carry(message).finally(() => {
        underWay--;
        pump();
      });
    }
  }

  async function carry(message: Carried): Promise<void> {
    try {
      await deliver(message);
      failures = 0;
      stats.delivered++;
      delivered.push(message.id);
      deleteTimer ??= setTimeout(() => void flush(), deleteDelayMs);
    } catch (error) {
      kept.delete(message.id);
      if (isPoison(error)) await setAside(message, error);
      else noteOutage(error);
    }
  }

  async function deliver(message: Carried): Promise<void> {
    switch (message.topic) {
      case 'start_booking':
        if (hasBegunSince(message)) return;
        return workflows.startBooking(message.payload.bookingRef, message.payload.summary);
      case 'payment':
        noteBegun(message);
        return workflows.tellPayment(message.payload, message.id);
      case 'refund':
        return workflows.startRefund(message.payload);
      case 'orphan_payment': {
        const { bookingRef } = message.payload;
        if (!(await readBookingState(db, bookingRef))) throw new OrphanError(`no booking ${bookingRef}`);
        return workflows.tellPayment(message.payload, message.id);
      }
    }
  }

  /** Already when it is sent: should it fail, it stays in the outbox until it has begun the workflow. */
  function noteBegun({ id, payload }: Carried): void {
    begunBy.set(payload.bookingRef, Number(id));
    const [oldest] = begunBy.keys();
    if (begunBy.size > begunMax && oldest !== undefined) begunBy.delete(oldest);
  }

  /** Has news that was left after this start begun the workflow already? A start that repairs is left later. */
  function hasBegunSince({ id, payload }: Carried): boolean {
    return (begunBy.get(payload.bookingRef) ?? 0) > Number(id);
  }

  /** Everything goes back to the table, where it is safe, and waits; the leases run out by themselves. */
  function noteOutage(error: unknown): void {
    if (failures === 0) log.warn({ err: error }, 'Temporal does not take messages; they wait in the outbox');
    failures++;
    stats.outages++;
    pausedUntil =
      Date.now() + Math.min(temporalReconnectMaxMs, 250 * 2 ** failures) * (0.5 + Math.random() / 2);
    letGo(urgent);
    letGo(starts);
  }

  /** Forgets messages: the table has them, for when their leases run out. */
  function letGo(messages: Carried[]): void {
    for (const { id } of messages) kept.delete(id);
    messages.length = 0;
  }

  async function setAside(message: Carried, error: unknown): Promise<void> {
    const dead = message.attempts + 1 >= relayAttemptsMax;
    const retryInMs = Math.min(10 * 60_000, 1_000 * 2 ** message.attempts);
    log.error(
      { err: error, outboxId: message.id, topic: message.topic, dead },
      'a message cannot be delivered',
    );
    const why = error instanceof Error ? error.message : String(error);
    await putBack(db, message.id, { error: why, retryInMs, dead }).catch((trouble) =>
      log.error({ err: trouble, outboxId: message.id }, 'a message could not be put back'),
    );
  }

  async function flush(): Promise<void> {
    deleteTimer = undefined;
    const ids = delivered;
    delivered = [];
    if (ids.length === 0) return;
    try {
      await deleteMessages(db, ids);
    } catch (error) {
      // They will be delivered once more, to no effect.
      log.warn({ err: error, messages: ids.length }, 'delivered messages could not be deleted');
    }
    for (const id of ids) kept.delete(id);
  }

  /** How many messages to claim now: what there is room for, and while the API is busy no more than the pace. */
  function claimMax(): number {
    if (Date.now() < pausedUntil) return 0;
    if (failures > 0) return 1;
    const room = batchMax - starts.length - urgent.length;
    return isBusy() ? Math.min(room, startsAtATime) : room;
  }

  async function poll(): Promise<void> {
    let more = false;
    try {
      const max = claimMax();
      if (max > 0) {
        const leaseMs = outboxLeaseMs * 2;
        const claimed = await claimMessages(db, max, leaseMs);
        for (const message of claimed) keep(message, leaseMs - leaseDoubtMs);
        const waitingStarts = claimed.filter(({ topic }) => topic === 'start_booking');
        startsAtATime = paceOf(Math.max(0, ...waitingStarts.map(({ ageMs }) => ageMs)));
        more = claimed.length === max && (!isBusy() || waitingStarts.length === 0);
        pump();
      }
    } catch (error) {
      log.warn({ err: error }, 'the outbox could not be read');
    }
    if (running)
      pollTimer = setTimeout(() => void poll(), more ? pollMs / 4 : pollMs * (0.8 + Math.random() * 0.4));
  }

  return {
    stats,
    /** Takes a message that this process has just committed. Never waits, never fails: the table has it. */
    accept(message: (Message & { id: string }) | undefined): void {
      if (!message || !running || failures > 0) return;
      const isStart = message.topic === 'start_booking';
      if (isStart ? isBusy() || starts.length >= startsMax : urgent.length >= urgentMax) return;
      keep({ ...message, attempts: 0 }, outboxLeaseMs - leaseDoubtMs);
      setImmediate(pump);
    },
    start(): void {
      running = true;
      void poll();
    },
    /** Stops taking messages and waits, for a moment, for those under way. */
    async stop(): Promise<void> {
      running = false;
      clearTimeout(pollTimer);
      for (let waited = 0; underWay > 0 && waited < 2_500; waited += 20) await sleep(20);
      clearTimeout(deleteTimer);
      await flush();
    },
  };
}

export type Relay = ReturnType<typeof createRelay>;

/** The pace rises with the age of the oldest start that waits: Temporal falls behind by a bounded time, not for ever. */
function paceOf(oldestMs: number): number {
  const share = Math.min(1, oldestMs / startLagMs);
  return Math.max(startsAtATimeMin, Math.round(batchMax * share));
}
