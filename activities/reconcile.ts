import { getClient } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/common';
import type Stripe from 'stripe';
import { completeStays } from '../db/bookings.ts';
import { findOverdueHolds } from '../db/overdue-holds.ts';
import { deleteOutdated } from '../db/housekeeping.ts';
import { outboxDepth } from '../db/outbox.ts';
import {
  enqueuePendingRefunds,
  enqueueStart,
  enqueueUndecidedMoney,
  findDeadWithOpenIntent,
  flagSlowRefunds,
  flagUnpaidConfirmed,
  knownEvents,
  sampleOpenBookings,
} from '../db/reconcile.ts';
import {
  reconcileBatchMax,
  reconcileLookBackMs,
  reconcileOverlapMs,
  settleBoundMs,
} from '../domain/limits.ts';
import type { ActivityDeps } from './deps.ts';
import { closeAllPayments } from './intents.ts';
import { settleHolds } from './settle-hold.ts';
import { createEventRecorder, handledEventTypes } from './stripe-events.ts';

/** What one run found and did; shown in Temporal's UI as the result of the run. */
export interface ReconcileReport {
  /** Events up to here have been looked at: the next run begins a little before. ISO 8601. */
  eventsUntil: string;
  missedEvents: number;
  overdueHolds: number;
  completedStays: number;
  workflowsStartedAgain: number;
  openIntentsOfDeadBookings: number;
  undecidedPayments: number;
  refundsStartedAgain: number;
  flagged: number;
  outboxWaiting: number;
  outboxDead: number;
  rowsDeleted: number;
}

export function createReconcileActivities(deps: ActivityDeps) {
  const { db } = deps;
  const recordEvent = createEventRecorder(db, 0);
  return {
    /** Records the events that Stripe has sent and nobody has received. @returns how many, and until when it looked */
    async recordMissedEvents({
      since,
    }: {
      since?: string | undefined;
    }): Promise<{ missed: number; until: string }> {
      const begun = Date.now();
      const from = since ? Date.parse(since) - reconcileOverlapMs : begun - reconcileLookBackMs;
      let missed = 0;
      for (const event of await listUnknownEvents(deps, Math.floor(from / 1000))) {
        const { outcome } = await recordEvent(event);
        if (outcome !== 'ignored' && outcome !== 'repeat') missed++;
      }
      if (missed > 0) deps.log.warn({ missed }, 'webhooks were missed; their events are recorded now');
      return { missed, until: new Date(begun).toISOString() };
    },

    /** Repairs what the database alone shows to be wrong, and reports. Each repair is safe at any time. */
    async repairBookings(): Promise<Omit<ReconcileReport, 'eventsUntil' | 'missedEvents'>> {
      const overdue = await findOverdueHolds(db, 10_000, reconcileBatchMax);
      await settleHolds(deps, overdue, { actor: 'reconciler', totalMs: settleBoundMs * 4 });
      const dead = await findDeadWithOpenIntent(db, reconcileBatchMax);
      // What turns out to be paid is recorded as such, and decided through the message below.
      await Promise.allSettled(dead.map((bookingRef) => closeAllPayments(deps, bookingRef)));
      const { waiting, dead: outboxDead } = await outboxDepth(db);
      return {
        overdueHolds: overdue.length,
        openIntentsOfDeadBookings: dead.length,
        completedStays: await completeStays(db, { actor: 'reconciler', limit: reconcileBatchMax }),
        undecidedPayments: await enqueueUndecidedMoney(db, reconcileBatchMax),
        refundsStartedAgain: await enqueuePendingRefunds(db, reconcileBatchMax),
        workflowsStartedAgain: await startLostWorkflows(deps),
        flagged: (await flagUnpaidConfirmed(db)) + (await flagSlowRefunds(db)),
        outboxWaiting: waiting,
        outboxDead,
        rowsDeleted: await deleteOutdated(db),
      };
    },
  };
}

/** Events of the handled types that are not on record, oldest first, so that they are recorded as they happened. */
async function listUnknownEvents({ db, stripe }: ActivityDeps, since: number): Promise<Stripe.Event[]> {
  const unknown: Stripe.Event[] = [];
  const query = { types: [...handledEventTypes], created: { gte: since }, limit: 100 };
  for (let page = await stripe.events.list(query); ; ) {
    const known = await knownEvents(
      db,
      page.data.map((event) => event.id),
    );
    unknown.push(...page.data.filter((event) => !known.has(event.id)));
    const last = page.data.at(-1);
    if (!page.has_more || !last) return unknown.reverse();
    page = await stripe.events.list({ ...query, starting_after: last.id });
  }
}

/** Open bookings whose workflow is not running, however it was lost: it begins again from the row. */
async function startLostWorkflows({ db, log }: ActivityDeps): Promise<number> {
  const sample = await sampleOpenBookings(db, reconcileBatchMax);
  let lost = 0;
  for (const { ref, workflowId } of sample) {
    if (await isRunning(workflowId)) continue;
    lost++;
    log.warn({ bookingRef: ref, workflowId }, 'an open booking has no running workflow; starting it again');
    await enqueueStart(db, ref);
  }
  return lost;
}

async function isRunning(workflowId: string): Promise<boolean> {
  try {
    const { status } = await getClient().workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
