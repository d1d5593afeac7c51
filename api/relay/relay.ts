import type { Logger } from 'pino';
import type { Db } from '../../db/knex.ts';
import type { Message } from '../../db/outbox.ts';
import { outboxLeaseMs } from '../../domain/limits.ts';
import type { Traffic } from '../../http/traffic.ts';
import { createCarrier } from './carrier.ts';
import { createDelivery } from './deliver.ts';
import { createLoadMonitor } from './load-monitor.ts';
import { createMessageQueue, leaseMarginMs } from './message-queue.ts';
import { concurrencyFor } from './pace.ts';
import { createPoller } from './poller.ts';
import type { WorkflowClient } from './workflow-client.ts';

interface RelayDeps {
  db: Db;
  log: Logger;
  workflows: WorkflowClient;
  /** The requests that the API answers: the relay yields to them. */
  traffic: Pick<Traffic, 'inFlight' | 'begun'>;
}

/** Messages of this process that wait in memory; those beyond wait in the table until their lease ends. */
const startsMax = 64;
const urgentMax = 2_000;

/**
 * Carries messages from the outbox to Temporal, at least once, in every API process. A message that this process has
 * just committed is carried from memory; the poller claims the others from the table. Payments go before starts.
 * Starts yield to requests: under high load they stay in the table and are claimed a few at a time, more the older
 * they are. While Temporal is away nothing is lost.
 */
export function createRelay({ db, log, workflows, traffic }: RelayDeps) {
  const queue = createMessageQueue();
  const load = createLoadMonitor(traffic, () => queue.releaseStarts());
  const carrier = createCarrier({
    db,
    log,
    queue,
    deliver: createDelivery(db, workflows),
    concurrency: (state) =>
      concurrencyFor({ state, loadIsHigh: load.isHigh(), requestsInFlight: traffic.inFlight }),
  });
  const poller = createPoller({ db, log, queue, carrier, load });

  return {
    stats: carrier.stats,
    state: carrier.state,

    /** Takes a message that this process has just committed. It never waits and never fails: the table has it. */
    accept(message: (Message & { id: string }) | undefined): void {
      if (!message || carrier.state() !== 'carrying') return;
      const isStart = message.topic === 'start_booking';
      if (isStart && load.isHigh()) return;
      if (queue.count(message.topic) >= (isStart ? startsMax : urgentMax)) return;
      queue.add({ ...message, attempts: 0 }, outboxLeaseMs - leaseMarginMs);
      setImmediate(carrier.pump);
    },

    start(): void {
      load.start();
      carrier.start();
      poller.start();
    },

    /** Stops taking messages and waits, for a moment, for those under way. */
    async stop(): Promise<void> {
      poller.stop();
      load.stop();
      await carrier.stop();
    },
  };
}

export type Relay = ReturnType<typeof createRelay>;
