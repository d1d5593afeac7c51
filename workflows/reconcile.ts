import { ActivityFailure, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities, ReconcileReport } from '../activities/index.ts';

const steps = proxyActivities<Activities>({
  startToCloseTimeout: '2 minutes',
  retry: { maximumAttempts: 3 },
});

/**
 * One round of the reconciler, run by a Schedule: repairs what no message will, because the message was lost. Its
 * result says what it found and did, and where the next round goes on. What the database alone shows is repaired
 * meanwhile, however long Stripe takes to answer for its events.
 */
export async function reconcileWorkflow(): Promise<ReconcileReport> {
  const last = workflowInfo().lastResult as ReconcileReport | undefined;
  const { eventsUntil: since, lookedBackAt, sweep, instantsCheckedTo } = last ?? {};
  const [events, repairs] = await Promise.all([
    steps.recordMissedEvents({ since, lookedBackAt }).catch(toUndefined),
    steps.repairBookings({ sweep, instantsCheckedTo }),
  ]);
  return {
    eventsUntil: events?.until ?? since,
    lookedBackAt: events?.lookedBackAt ?? lookedBackAt,
    missedEvents: events?.missed ?? 'not known',
    ...repairs,
  };
}

/** An activity that has failed has been logged; anything else, like the round's own cancellation, ends the round. */
function toUndefined(error: unknown): undefined {
  if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
}
