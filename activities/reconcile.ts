import { activityInfo, getClient } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/common';
import { completeStays } from '../db/bookings.ts';
import { findOverdueHolds } from '../db/overdue-holds.ts';
import { raiseFlag } from '../db/flags.ts';
import { deleteOutdated } from '../db/housekeeping.ts';
import type { Db } from '../db/knex.ts';
import { outboxDepth } from '../db/outbox.ts';
import {
  enqueuePendingRefunds,
  enqueueStart,
  enqueueUndecidedMoney,
  findDeadWithOpenIntent,
  flagSlowRefunds,
  flagUnpaidConfirmed,
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
import { recordMissedEvents } from './missed-events.ts';
import { settleHolds } from './settle-hold.ts';
import { createEventRecorder } from './stripe-events.ts';

/** What one run found and did; shown in Temporal's UI as the result of the run. */
export interface ReconcileReport {
  /** The next run looks at Stripe's events from five minutes before this on. ISO 8601; absent before the first. */
  eventsUntil: string | undefined;
  /** `not known` while Stripe cannot be asked. */
  missedEvents: number | 'not known';
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
      const nowMs = Date.now();
      const fromMs = since ? Date.parse(since) - reconcileOverlapMs : nowMs - reconcileLookBackMs;
      const { missed, until } = await recordMissedEvents(deps, recordEvent, {
        from: Math.floor(fromMs / 1000),
        until: Math.floor(nowMs / 1000),
        stopAtMs: nowMs + activityInfo().startToCloseTimeoutMs / 2,
      });
      if (missed > 0) deps.log.warn({ missed }, 'webhooks were missed; their events are recorded now');
      // The overlap is for what has just happened: a search that ended before that goes on from its very end.
      const looked = Math.min(until * 1000 + reconcileOverlapMs, nowMs);
      return { missed, until: new Date(looked).toISOString() };
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

/** Open bookings whose workflow is not running, however it was lost: it begins again from the row. */
async function startLostWorkflows({ db, log }: ActivityDeps): Promise<number> {
  let started = 0;
  for (const { id, ref, workflowId } of await sampleOpenBookings(db, reconcileBatchMax)) {
    const status = await statusOf(workflowId);
    if (status === 'RUNNING') continue;
    if (status === 'COMPLETED') {
      // A run that ended well is never repeated (api/workflow-client.ts).
      log.warn({ bookingRef: ref, workflowId }, 'Temporal has ended the workflow of an open booking');
      await flagEndedWorkflow(db, id, workflowId);
    } else {
      log.warn({ bookingRef: ref, workflowId }, 'an open booking has no running workflow; starting it again');
      await enqueueStart(db, ref);
      started++;
    }
  }
  return started;
}

async function statusOf(workflowId: string): Promise<string | undefined> {
  try {
    return (await getClient().workflow.getHandle(workflowId).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** A restored database has bookings open again that Temporal remembers as done. */
function flagEndedWorkflow(db: Db, bookingId: number, workflowId: string): Promise<void> {
  const detail =
    'The booking is open, but Temporal has ended its workflow and does not repeat it (a restored database?). ' +
    'Delete that workflow in Temporal, and it is started again.';
  return raiseFlag(db, { kind: 'workflow_ended', subject: workflowId, detail, bookingId });
}
