import type { Message } from '../../db/outbox.ts';

/** A lease began this long, at most, before this process learned of it. */
export const leaseMarginMs = 500;

/** A message that this process holds under a lease. */
export type LeasedMessage = Message & {
  id: string;
  attempts: number;
  /** When the lease ends, by `performance.now()`: from then on any relay may claim the message from the table. */
  leaseEndsMs: number;
};

/**
 * The messages that this process has in memory and has not begun to deliver. The outbox has all of them too, so
 * forgetting one loses nothing. Starts of bookings stand behind everything else, since no guest waits for them.
 */
export function createMessageQueue() {
  const urgent: LeasedMessage[] = [];
  const starts: LeasedMessage[] = [];
  /** Ids of messages that are queued or being delivered; a second copy of one is not taken. */
  const tracked = new Set<string>();

  const listOf = (topic: Message['topic']) => (topic === 'start_booking' ? starts : urgent);

  function release(messages: LeasedMessage[]): void {
    for (const { id } of messages) tracked.delete(id);
    messages.length = 0;
  }

  return {
    count: (topic: Message['topic']) => listOf(topic).length,
    total: () => urgent.length + starts.length,

    add(message: Message & { id: string; attempts: number }, leaseMs: number): void {
      if (tracked.has(message.id)) return;
      tracked.add(message.id);
      listOf(message.topic).push({ ...message, leaseEndsMs: performance.now() + leaseMs });
    },

    /** The next message whose lease still runs. It stays tracked until `forget`. */
    take(): LeasedMessage | undefined {
      for (;;) {
        const message = urgent.shift() ?? starts.shift();
        if (!message || message.leaseEndsMs > performance.now()) return message;
        tracked.delete(message.id);
      }
    },

    forget(ids: readonly string[]): void {
      for (const id of ids) tracked.delete(id);
    },

    /** Leaves the starts to the table; their leases run out by themselves. */
    releaseStarts: () => release(starts),

    releaseAll(): void {
      release(urgent);
      release(starts);
    },
  };
}

export type MessageQueue = ReturnType<typeof createMessageQueue>;
