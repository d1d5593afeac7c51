import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosStack } from './chaos-stack.ts';

const retryMs = 300;

/**
 * Makes the database read-only for a time, as a failover to a standby does: all sessions end, and new ones cannot write.
 * Afterwards the sessions stay, so that the service itself must find out that it can write again.
 */
export async function makeReadOnly({ administer }: ChaosStack, lastsMs: number): Promise<void> {
  const endSessions = `select pg_terminate_backend(pid) from pg_stat_activity
                        where datname = 'booking' and usename = 'booking_app'`;
  await insist(() => administer('alter database booking set default_transaction_read_only = on'));
  await insist(() => administer(endSessions));
  await sleep(lastsMs);
  await insist(() => administer('alter database booking reset default_transaction_read_only'));
}

/** Postgres may be killed or frozen at the same time. */
async function insist(act: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await act();
      return;
    } catch {
      await sleep(retryMs);
    }
  }
}
