import { getClient } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/common';
import type Stripe from 'stripe';
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
  /** Events up to here have been looked at: the next run begins a little before. ISO 8601; absent before the first. */
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
async function startLostWorkflows(deps: ActivityDeps): Promise<number> {
  const { db, log } = deps;
  const sample = await sampleOpenBookings(db, reconcileBatchMax);
  let lost = 0;
  for (const { id, ref, workflowId } of sample) {
    const status = await statusOf(workflowId);
    if (status === 'RUNNING') continue;
    lost++;
    log.warn({ bookingRef: ref, workflowId }, 'an open booking has no running workflow; starting it again');
    await enqueueStart(db, ref);
    // A run that ended well is never repeated (api/workflow-client.ts).
    if (status === 'COMPLETED') await flagEndedWorkflow(db, id, workflowId);
  }
  return lost;
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
    'Delete that workflow in Temporal, and it is started again within a minute or two.';
  return raiseFlag(db, { kind: 'workflow_ended', subject: workflowId, detail, bookingId });
}
