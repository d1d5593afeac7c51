import { activityInfo, getClient } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { CoreDeps } from '../core/deps.ts';
import { createEventRecorder } from '../core/payments/record-event.ts';
import { readStripeClock, recordMissedEvents } from '../core/reconcile/find-missed-events.ts';
import { type Repairs, type RoundBefore, repairBookings } from '../core/reconcile/repair-bookings.ts';
import type { WorkflowsAsked } from '../core/reconcile/sweep-open-bookings.ts';
import { reconcileLookBackMs, reconcileOverlapMs } from '../domain/limits.ts';

/** What one run found and did; shown in Temporal's UI as the result of the run. */
export interface ReconcileReport extends Repairs {
  /** The next run looks at Stripe's events from five minutes before this on. ISO 8601; absent before the first. */
  eventsUntil: string | undefined;
  /** When a round last began to look through all of the last three days. */
  lookedBackAt: string | undefined;
  /** `not known` while Stripe cannot be asked. */
  missedEvents: number | 'not known';
}

/** How often the full three days are scanned again, ignoring the cursor. */
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

    /** Repairs what the database alone shows to be wrong, and reports. Each repair is safe at any time. */
    async repairBookings(last: RoundBefore = {}): Promise<Repairs> {
      return repairBookings({ ...deps, workflows: temporalOf(activityInfo().taskQueue) }, last);
    },
  };
}

/** The workflows of this task queue's bookings, as Temporal knows them. */
function temporalOf(taskQueue: string): WorkflowsAsked {
  const { workflow } = getClient();
  const types = "WorkflowType IN ('bookingWorkflow', 'latePaymentWorkflow')";
  return {
    async statusOf(workflowId) {
      try {
        return (await workflow.getHandle(workflowId).describe()).status.name;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return undefined;
        throw error;
      }
    },
    async countRunning() {
      const query = `${types} AND ExecutionStatus = 'Running' AND TaskQueue = '${taskQueue}'`;
      return (await workflow.count(query)).count;
    },
  };
}
