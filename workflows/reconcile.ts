import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities, ReconcileReport } from '../activities/index.ts';

const steps = proxyActivities<Activities>({
  startToCloseTimeout: '2 minutes',
  retry: { maximumAttempts: 3 },
});

/**
 * One round of the reconciler, run by a Schedule: repairs what no message will, because the message was lost. Its
 * result says what it found and did, and where the next round goes on.
 */
export async function reconcileWorkflow(): Promise<ReconcileReport> {
  const [last] = [workflowInfo().lastResult].flat() as [ReconcileReport?];
  const events = await steps.recordMissedEvents({ since: last?.eventsUntil });
  const repairs = await steps.repairBookings();
  return { eventsUntil: events.until, missedEvents: events.missed, ...repairs };
}
