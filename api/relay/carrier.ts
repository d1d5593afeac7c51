import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Db } from '../../db/knex.ts';
import { deleteMessages, putBack } from '../../db/outbox.ts';
import { relayAttemptsMax } from '../../domain/limits.ts';
import { isPoison } from './grpc-errors.ts';
import type { LeasedMessage, MessageQueue } from './message-queue.ts';
import { backoffMs, type RelayState } from './pace.ts';

interface CarrierDeps {
  db: Db;
  log: Logger;
  queue: MessageQueue;
  deliver: (message: LeasedMessage) => Promise<void>;
  /** How many messages may be under way at once in this state. */
  concurrency: (state: RelayState) => number;
}

const stopWaitMs = 2_500;
const retryMaxMs = 10 * 60_000;

/** Takes messages from the queue, delivers them, and knows whether Temporal takes them. */
export function createCarrier({ db, log, queue, deliver, concurrency }: CarrierDeps) {
  const deliveredIds = createDeletions(db, log, queue);
  const stats = { delivered: 0, outages: 0 };
  let state: RelayState = 'stopped';
  let failures = 0;
  let pausedUntil = 0;
  let underWay = 0;

  function pump(): void {
    while (state !== 'stopped' && Date.now() >= pausedUntil && underWay < concurrency(state)) {
      const message = queue.take();
      if (!message) return;
      underWay++;
      void carry(message).finally(() => {
        underWay--;
        pump();
      });
    }
  }

  async function carry(message: LeasedMessage): Promise<void> {
    try {
      await deliver(message);
      if (state === 'backing-off') state = 'carrying';
      failures = 0;
      stats.delivered++;
      deliveredIds.add(message.id);
    } catch (error) {
      queue.forget([message.id]);
      if (isPoison(error)) await setAside(db, log, message, error);
      else backOff(error);
    }
  }

  /** The queue is emptied: the table has every message, and their leases run out by themselves. */
  function backOff(error: unknown): void {
    if (failures === 0) log.warn({ err: error }, 'Temporal does not take messages; they wait in the outbox');
    if (state === 'carrying') state = 'backing-off';
    failures++;
    stats.outages++;
    pausedUntil = Date.now() + backoffMs(failures, Math.random());
    queue.releaseAll();
  }

  return {
    stats,
    pump,
    state: () => state,
    isPaused: () => Date.now() < pausedUntil,
    start(): void {
      state = failures > 0 ? 'backing-off' : 'carrying';
    },
    /** Takes no more messages and waits, for a moment, for those under way. */
    async stop(): Promise<void> {
      state = 'stopped';
      for (let waited = 0; underWay > 0 && waited < stopWaitMs; waited += 20) await sleep(20);
      await deliveredIds.flush();
    },
  };
}

export type Carrier = ReturnType<typeof createCarrier>;

const deleteDelayMs = 50;

/** Deletes delivered messages from the outbox, those of a moment together. */
function createDeletions(db: Db, log: Logger, queue: MessageQueue) {
  let ids: string[] = [];
  let timer: NodeJS.Timeout | undefined;

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const done = ids;
    ids = [];
    if (done.length === 0) return;
    try {
      await deleteMessages(db, done);
    } catch (error) {
      // They are delivered once more, which has no effect.
      log.warn({ err: error, messages: done.length }, 'delivered messages could not be deleted');
    }
    queue.forget(done);
  }

  return {
    flush,
    add(id: string): void {
      ids.push(id);
      timer ??= setTimeout(() => void flush(), deleteDelayMs);
    },
  };
}

/** Puts a message that Temporal itself refuses back for a later try; the last one leaves it aside, with a flag. */
async function setAside(db: Db, log: Logger, message: LeasedMessage, error: unknown): Promise<void> {
  const { id, topic, attempts } = message;
  const dead = attempts + 1 >= relayAttemptsMax;
  const retryInMs = Math.min(retryMaxMs, 1_000 * 2 ** attempts);
  log.error({ err: error, outboxId: id, topic, dead }, 'a message cannot be delivered');
  const why = error instanceof Error ? error.message : String(error);
  await putBack(db, id, { error: why, retryInMs, dead }).catch((trouble) =>
    log.error({ err: trouble, outboxId: id }, 'could not reschedule outbox message'),
  );
}
