import type { CoreDeps } from '../deps.ts';
import { closePayments } from '../payments/close-payments.ts';
import { correctInstants } from '../bookings/correct-instants.ts';
import { settleHolds } from '../bookings/settle-holds.ts';
import { completeStays } from '../../db/bookings.ts';
import { clocksAgree } from '../../db/clocks.ts';
import { deleteOutdated } from '../../db/housekeeping.ts';
import type { Db } from '../../db/knex.ts';
import { type OutboxDepth, outboxDepth } from '../../db/outbox.ts';
import { endDelaysOfWrongClock, findOverdueHolds } from '../../db/overdue-holds.ts';
import {
  endOutdatedFlags,
  enqueuePendingRefunds,
  enqueueUndecidedMoney,
  findDeadWithOpenIntent,
  flagSlowRefunds,
  flagUndecidedMoney,
  restoreLostRefunds,
} from '../../db/reconcile.ts';
import { instantsCheckedMax, reconcileBatchMax } from '../../domain/limits.ts';
import type { Sweep } from '../../domain/sweep.ts';
import { inLanes } from './in-lanes.ts';
import { runSteps, type Step, type StepsReport } from './run-steps.ts';
import { sweepOpenBookings, type WorkflowsAsked } from './sweep-open-bookings.ts';

type StepName =
  | 'correctedInstants'
  | 'completedStays'
  | 'endedDelays'
  | 'undecidedPayments'
  | 'refundsStartedAgain'
  | 'flagged'
  | 'outboxWaiting'
  | 'workflowsStartedAgain'
  | 'overdueHolds'
  | 'openIntentsOfDeadBookings'
  | 'rowsDeleted';

/** Where the previous round stopped; empty before the first. */
export interface RoundBefore {
  sweep?: Sweep | undefined;
  /** The last booking whose instants were compared with its wall clock; 0 when all have been. */
  instantsCheckedTo?: number | undefined;
}

/** What each step has found or done, why one failed, how long each took, and where the next round goes on. */
export interface Repairs extends Record<StepName, number | 'failed'> {
  failures: StepsReport<StepName>['failures'];
  tookMs: StepsReport<StepName>['tookMs'];
  outboxDead: number | 'failed';
  sweep: Sweep | undefined;
  instantsCheckedTo: number;
}

interface RepairDeps extends CoreDeps {
  workflows: WorkflowsAsked;
}

/** Longer than any statement may take, a few of them together. */
const databaseStepMs = 5_000;
const sweepMs = 8_000;
const stripeStepMs = 12_000;
/** PaymentIntents closed at a time. */
const closeLanes = 8;
/** While more messages wait than this, a booking without a workflow is to be expected, and another message would not help. */
const backlogMax = 5_000;

/**
 * Repairs what the database alone shows to be wrong, and reports. Each repair is safe at any time, and reads what is open
 * or wrong, whatever has been. First those that only Postgres and Temporal have a part in.
 */
export async function repairBookings(deps: RepairDeps, last: RoundBefore = {}): Promise<Repairs> {
  const { db } = deps;
  let { sweep, instantsCheckedTo = 0 } = last;
  let unpaid = 0;
  let outbox: OutboxDepth | undefined;
  const max = reconcileBatchMax;
  const inDatabase = (name: StepName, run: Step<StepName>['run']): Step<StepName> => ({
    name,
    withinMs: databaseStepMs,
    run,
  });
  const steps: Step<StepName>[] = [
    inDatabase('correctedInstants', async () => {
      const check = { afterId: instantsCheckedTo, limit: instantsCheckedMax, actor: 'reconciler' };
      const { corrected, nextAfterId } = await correctInstants(db, check);
      instantsCheckedTo = nextAfterId;
      return corrected;
    }),
    inDatabase('completedStays', () =>
      inTime(db, () => completeStays(db, { actor: 'reconciler', limit: max })),
    ),
    inDatabase('endedDelays', () => inTime(db, () => endDelaysOfWrongClock(db, max))),
    inDatabase('undecidedPayments', () => enqueueUndecidedMoney(db, max)),
    inDatabase(
      'refundsStartedAgain',
      async () => (await restoreLostRefunds(db, max)) + (await enqueuePendingRefunds(db, max)),
    ),
    inDatabase('outboxWaiting', async () => (outbox = await outboxDepth(db)).waiting),
    {
      name: 'workflowsStartedAgain',
      withinMs: sweepMs,
      async run(stopAtMs) {
        if (outbox && outbox.waiting - outbox.unknown > backlogMax) return 0;
        const swept = await sweepOpenBookings(deps, last.sweep, stopAtMs);
        ({ sweep, unpaid } = swept);
        return swept.restarted;
      },
    },
    inDatabase('flagged', async () => {
      const flagged = (await flagSlowRefunds(db, max)) + (await flagUndecidedMoney(db, max));
      await endOutdatedFlags(db);
      return flagged + unpaid;
    }),
    inDatabase('rowsDeleted', (stopAtMs) => inTime(db, () => deleteOutdated(db, stopAtMs))),
    {
      name: 'overdueHolds',
      withinMs: stripeStepMs,
      run: (stopAtMs) => inTime(db, () => settleOverdue(deps, stopAtMs)),
    },
    {
      name: 'openIntentsOfDeadBookings',
      withinMs: stripeStepMs,
      run: (stopAtMs) => closeDead(deps, stopAtMs),
    },
  ];
  const { found, ...report } = await runSteps(deps, steps);
  return { ...found, ...report, outboxDead: outbox?.dead ?? 'failed', sweep, instantsCheckedTo };
}

/** Runs an irreversible bulk step that depends on the time, but only while the clocks agree. */
async function inTime(db: Db, work: () => Promise<number>): Promise<number> {
  return (await clocksAgree(db)) ? work() : 0;
}

/** @returns how many were overdue */
async function settleOverdue(deps: CoreDeps, stopAtMs: number): Promise<number> {
  const overdue = await findOverdueHolds(deps.db, 10_000, reconcileBatchMax);
  await settleHolds(deps, overdue, { actor: 'reconciler', totalMs: stopAtMs - Date.now() });
  return overdue.length;
}

/** What turns out to be paid is recorded as such, and decided through a message. @returns how many bookings had one */
async function closeDead(deps: CoreDeps, stopAtMs: number): Promise<number> {
  const dead = await findDeadWithOpenIntent(deps.db, reconcileBatchMax);
  await inLanes(dead, { lanes: closeLanes, stopAtMs }, async (bookingRef) => {
    await closePayments(deps, bookingRef).catch((error: unknown) =>
      deps.log.warn({ err: error, bookingRef }, 'the PaymentIntent of a booking that is over stays open'),
    );
  });
  return dead.length;
}
