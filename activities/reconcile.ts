import { activityInfo, getClient } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/common';
import { correctInstants } from '../core/bookings/correct-instants.ts';
import { completeStays } from '../db/bookings.ts';
import { clocksAgree } from '../db/clocks.ts';
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
  flagUndecidedMoney,
  flagUnpaidConfirmed,
  restoreLostRefunds,
  sampleOpenBookings,
} from '../db/reconcile.ts';
import {
  instantsCheckedMax,
  reconcileBatchMax,
  reconcileLookBackMs,
  reconcileOverlapMs,
  settleBoundMs,
} from '../domain/limits.ts';
import type { CoreDeps } from '../core/deps.ts';
import { closePayments } from '../core/payments/close-payments.ts';
import { readStripeClock, recordMissedEvents } from '../core/reconcile/find-missed-events.ts';
import { settleHolds } from '../core/bookings/settle-holds.ts';
import { createEventRecorder } from '../core/payments/record-event.ts';

/** What one run found and did; shown in Temporal's UI as the result of the run. */
export interface ReconcileReport {
  /** The next run looks at Stripe's events from five minutes before this on. ISO 8601; absent before the first. */
  eventsUntil: string | undefined;
  /** When a round last began to look through all of the last three days. */
  lookedBackAt: string | undefined;
  /** `not known` while Stripe cannot be asked. */
  missedEvents: number | 'not known';
  /** The next run compares instants with wall clocks from this booking on. */
  instantsCheckedTo: number;
  correctedInstants: number;
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

type RepairReport = Omit<
  ReconcileReport,
  'eventsUntil' | 'lookedBackAt' | 'missedEvents' | 'instantsCheckedTo' | 'correctedInstants'
>;

/** So often all of the last days are looked through, whatever earlier rounds believe to have seen. */
const lookBackEveryMs = 6 * 3_600_000;

/** Where the round before has ended; ISO 8601. */
interface EventSearch {
  since?: string | undefined;
  lookedBackAt?: string | undefined;
}

interface MissedEvents {
  missed: number;
  until: string;
  lookedBackAt: string;
}

export function createReconcileActivities(deps: CoreDeps) {
  const { db } = deps;
  const recordEvent = createEventRecorder(db, 0);
  return {
    /** Records the events that Stripe has sent and nobody has received. @returns how many, and until when it looked */
    async recordMissedEvents({ since, lookedBackAt }: EventSearch): Promise<MissedEvents> {
      const stopAtMs = Date.now() + activityInfo().startToCloseTimeoutMs / 2;
      const now = await readStripeClock(deps);
      const nowMs = now * 1000;
      const looksBack = !since || !lookedBackAt || nowMs - Date.parse(lookedBackAt) > lookBackEveryMs;
      // A place after now was found by a clock that was wrong.
      const fromMs = looksBack
        ? nowMs - reconcileLookBackMs
        : Math.min(Date.parse(since), nowMs) - reconcileOverlapMs;
      const search = { from: Math.floor(fromMs / 1000), until: now, stopAtMs };
      const { missed, until } = await recordMissedEvents(deps, recordEvent, search);
      if (missed > 0) deps.log.warn({ missed }, 'webhooks were missed; their events are recorded now');
      // The overlap is for what has just happened: a search that ended before that goes on from its very end.
      const looked = Math.min(until * 1000 + reconcileOverlapMs, nowMs);
      return {
        missed,
        until: new Date(looked).toISOString(),
        lookedBackAt: looksBack ? new Date(nowMs).toISOString() : lookedBackAt,
      };
    },

    /** Compares a part of the open bookings' instants with their wall-clock time. @returns where the next round begins */
    correctInstants: ({ afterId }: { afterId: number }) =>
      correctInstants(db, { afterId, limit: instantsCheckedMax, actor: 'reconciler' }),

    /** Repairs what the database alone shows to be wrong, and reports. Each repair is safe at any time. */
    async repairBookings(): Promise<RepairReport> {
      const inTime = await clocksAgree(db);
      const overdue = inTime ? await findOverdueHolds(db, 10_000, reconcileBatchMax) : [];
      await settleHolds(deps, overdue, { actor: 'reconciler', totalMs: settleBoundMs * 4 });
      const dead = await findDeadWithOpenIntent(db, reconcileBatchMax);
      // What turns out to be paid is recorded as such, and decided through the message below.
      await Promise.allSettled(dead.map((bookingRef) => closePayments(deps, bookingRef)));
      const { waiting, dead: outboxDead } = await outboxDepth(db);
      return {
        overdueHolds: overdue.length,
        openIntentsOfDeadBookings: dead.length,
        completedStays: inTime
          ? await completeStays(db, { actor: 'reconciler', limit: reconcileBatchMax })
          : 0,
        undecidedPayments: await enqueueUndecidedMoney(db, reconcileBatchMax),
        refundsStartedAgain:
          (await restoreLostRefunds(db, reconcileBatchMax)) +
          (await enqueuePendingRefunds(db, reconcileBatchMax)),
        workflowsStartedAgain: await startLostWorkflows(deps),
        flagged:
          (await flagUnpaidConfirmed(db)) + (await flagSlowRefunds(db)) + (await flagUndecidedMoney(db)),
        outboxWaiting: waiting,
        outboxDead,
        rowsDeleted: inTime ? await deleteOutdated(db) : 0,
      };
    },
  };
}

/** Open bookings whose workflow is not running, however it was lost: it begins again from the row. */
async function startLostWorkflows({ db, log }: CoreDeps): Promise<number> {
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
