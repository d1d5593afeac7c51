import { ActivityFailure, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities, ReconcileReport } from '../activities/index.ts';

const steps = proxyActivities<Activities>({
  startToCloseTimeout: '2 minutes',
  retry: { maximumAttempts: 3 },
});

/**
 * One round of the reconciler, run by a Schedule: repairs what no message will, because the message was lost. Its
 * result says what it found and did, and where the next round goes on. Where Stripe cannot be asked for its events, what
 * the database alone shows is repaired all the same.
 */
export async function reconcileWorkflow(): Promise<ReconcileReport> {
  const last = workflowInfo().lastResult as ReconcileReport | undefined;
  const { eventsUntil: since, lookedBackAt } = last ?? {};
  const events = await steps.recordMissedEvents({ since, lookedBackAt }).catch(toUndefined);
  const repairs = await steps.repairBookings();
  const afterId = last?.instantsCheckedTo ?? 0;
  const instants = await steps.correctInstants({ afterId }).catch(toUndefined);
  return {
    eventsUntil: events?.until ?? since,
    lookedBackAt: events?.lookedBackAt ?? lookedBackAt,
    missedEvents: events?.missed ?? 'not known',
    instantsCheckedTo: instants?.nextAfterId ?? afterId,
    correctedInstants: instants?.corrected ?? 0,
    ...repairs,
  };
}

/** An activity that has failed has been logged; anything else, like the round's own cancellation, ends the round. */
function toUndefined(error: unknown): undefined {
  if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
}
