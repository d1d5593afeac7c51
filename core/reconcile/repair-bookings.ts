import type { ActivityDeps } from '../deps.ts';
import { closeAllPayments } from '../stripe/intents.ts';
import { settleHolds } from '../bookings/settle-hold.ts';
import { completeStays } from '../../db/bookings.ts';
import { deleteOutdated } from '../../db/housekeeping.ts';
import { type OutboxDepth, outboxDepth } from '../../db/outbox.ts';
import { findOverdueHolds } from '../../db/overdue-holds.ts';
import {
  endOutdatedFlags,
  enqueuePendingRefunds,
  enqueueUndecidedMoney,
  findDeadWithOpenIntent,
  flagSlowRefunds,
  flagUndecidedMoney,
} from '../../db/reconcile.ts';
import { reconcileBatchMax } from '../../domain/limits.ts';
import type { Sweep } from '../../domain/sweep.ts';
import { inLanes } from './in-lanes.ts';
import { runSteps, type Step, type StepsReport } from './run-steps.ts';
import { sweepOpenBookings, type WorkflowsAsked } from './sweep-open-bookings.ts';

type StepName =
  | 'completedStays'
  | 'undecidedPayments'
  | 'refundsStartedAgain'
  | 'flagged'
  | 'outboxWaiting'
  | 'workflowsStartedAgain'
  | 'overdueHolds'
  | 'openIntentsOfDeadBookings'
  | 'rowsDeleted';

/** What each step has found or done, why one failed, how long each took, and where the sweep goes on. */
export interface Repairs extends Record<StepName, number | 'failed'> {
  failures: StepsReport<StepName>['failures'];
  tookMs: StepsReport<StepName>['tookMs'];
  outboxDead: number | 'failed';
  sweep: Sweep | undefined;
}

interface RepairDeps extends ActivityDeps {
  workflows: WorkflowsAsked;
}

/** Longer than any statement may take, a few of them together. */
const databaseStepMs = 5_000;
const sweepMs = 8_000;
const stripeStepMs = 12_000;
/** PaymentIntents closed at a time. */
const closeLanes = 8;
/** While more messages wait than this, a booking without a workflow is no wonder, and another message would not help. */
const backlogMax = 5_000;

/**
 * Repairs what the database alone shows to be wrong, and reports. Each repair is safe at any time, and reads what is open
 * or wrong, whatever has been. First those that only Postgres and Temporal have a part in.
 */
export async function repairBookings(deps: RepairDeps, last: Sweep | undefined): Promise<Repairs> {
  const { db } = deps;
  let sweep = last;
  let unpaid = 0;
  let outbox: OutboxDepth | undefined;
  const max = reconcileBatchMax;
  const inDatabase = (name: StepName, run: Step<StepName>['run']): Step<StepName> => ({
    name,
    withinMs: databaseStepMs,
    run,
  });
  const steps: Step<StepName>[] = [
    inDatabase('completedStays', () => completeStays(db, { actor: 'reconciler', limit: max })),
    inDatabase('undecidedPayments', () => enqueueUndecidedMoney(db, max)),
    inDatabase('refundsStartedAgain', () => enqueuePendingRefunds(db, max)),
    inDatabase('outboxWaiting', async () => (outbox = await outboxDepth(db)).waiting),
    {
      name: 'workflowsStartedAgain',
      withinMs: sweepMs,
      async run(stopAtMs) {
        if (outbox && outbox.waiting - outbox.unknown > backlogMax) return 0;
        const swept = await sweepOpenBookings(deps, last, stopAtMs);
        ({ sweep, unpaid } = swept);
        return swept.restarted;
      },
    },
    inDatabase('flagged', async () => {
      const flagged = (await flagSlowRefunds(db, max)) + (await flagUndecidedMoney(db, max));
      await endOutdatedFlags(db);
      return flagged + unpaid;
    }),
    inDatabase('rowsDeleted', (stopAtMs) => deleteOutdated(db, stopAtMs)),
    { name: 'overdueHolds', withinMs: stripeStepMs, run: (stopAtMs) => settleOverdue(deps, stopAtMs) },
    {
      name: 'openIntentsOfDeadBookings',
      withinMs: stripeStepMs,
      run: (stopAtMs) => closeDead(deps, stopAtMs),
    },
  ];
  const { found, ...report } = await runSteps(deps, steps);
  return { ...found, ...report, outboxDead: outbox?.dead ?? 'failed', sweep };
}

/** @returns how many were overdue */
async function settleOverdue(deps: ActivityDeps, stopAtMs: number): Promise<number> {
  const overdue = await findOverdueHolds(deps.db, 10_000, reconcileBatchMax);
  await settleHolds(deps, overdue, { actor: 'reconciler', totalMs: stopAtMs - Date.now() });
  return overdue.length;
}

/** What turns out to be paid is recorded as such, and decided through a message. @returns how many bookings had one */
async function closeDead(deps: ActivityDeps, stopAtMs: number): Promise<number> {
  const dead = await findDeadWithOpenIntent(deps.db, reconcileBatchMax);
  await inLanes(dead, { lanes: closeLanes, stopAtMs }, async (bookingRef) => {
    await closeAllPayments(deps, bookingRef).catch((error: unknown) =>
      deps.log.warn({ err: error, bookingRef }, 'the PaymentIntent of a booking that is over stays open'),
    );
  });
  return dead.length;
}
