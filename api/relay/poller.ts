import type { Logger } from 'pino';
import type { Db } from '../../db/knex.ts';
import { claimMessages } from '../../db/outbox.ts';
import { outboxLeaseMs } from '../../domain/limits.ts';
import type { Carrier } from './carrier.ts';
import type { LoadMonitor } from './load-monitor.ts';
import { leaseMarginMs, type MessageQueue } from './message-queue.ts';
import { batchMax, startsPerBatch } from './pace.ts';

interface PollerDeps {
  db: Db;
  log: Logger;
  queue: MessageQueue;
  carrier: Carrier;
  load: LoadMonitor;
}

const pollMs = 1_000;
const claimLeaseMs = outboxLeaseMs * 2;

/** Claims messages from the outbox: what other processes left, and what did not fit into memory. */
export function createPoller({ db, log, queue, carrier, load }: PollerDeps) {
  let timer: NodeJS.Timeout | undefined;
  let running = false;
  let startsMax = startsPerBatch(0);

  /** How many messages to claim now. While Temporal does not take them, one is enough to find out. */
  function claimMax(): number {
    if (carrier.isPaused()) return 0;
    if (carrier.state() === 'backing-off') return 1;
    const room = batchMax - queue.total();
    return load.isHigh() ? Math.min(room, startsMax) : room;
  }

  /** @returns true when more messages are likely to wait */
  async function claim(): Promise<boolean> {
    const max = claimMax();
    if (max <= 0) return false;
    const claimed = await claimMessages(db, max, claimLeaseMs);
    for (const message of claimed) queue.add(message, claimLeaseMs - leaseMarginMs);
    const starts = claimed.filter(({ topic }) => topic === 'start_booking');
    startsMax = startsPerBatch(Math.max(0, ...starts.map(({ ageMs }) => ageMs)));
    carrier.pump();
    return claimed.length === max && (!load.isHigh() || starts.length === 0);
  }

  async function poll(): Promise<void> {
    const more = await claim().catch((error: unknown) => {
      log.warn({ err: error }, 'the outbox could not be read');
      return false;
    });
    const waitMs = more ? pollMs / 4 : pollMs * (0.8 + Math.random() * 0.4);
    if (running) timer = setTimeout(() => void poll(), waitMs);
  }

  return {
    start(): void {
      running = true;
      void poll();
    },
    stop(): void {
      running = false;
      clearTimeout(timer);
    },
  };
}
