import type { Logger } from 'pino';
import { endFlags } from '../../db/flags.ts';
import type { Db } from '../../db/knex.ts';
import {
  findLost,
  flagEndedWorkflow,
  listOpenBookings,
  type OpenBooking,
  restartWorkflow,
} from '../../db/open-bookings.ts';
import { flagUnpaidConfirmed } from '../../db/reconcile.ts';
import { afterRound, roundSize, type Sweep } from '../../domain/sweep.ts';
import { inLanes } from './in-lanes.ts';

/** What the sweep asks Temporal. */
export interface WorkflowsAsked {
  /** Its status by name; undefined when Temporal does not know the workflow. */
  statusOf(workflowId: string): Promise<string | undefined>;
  /** How many workflows of bookings run. @throws where Temporal cannot count */
  countRunning(): Promise<number>;
}

interface SweepDeps {
  db: Db;
  log: Logger;
  workflows: WorkflowsAsked;
}

export interface Swept {
  sweep: Sweep;
  restarted: number;
  /** Newly flagged as confirmed without a paid payment. */
  unpaid: number;
}

const pageRows = 500;
/** Questions to Temporal at a time. */
const lanes = 16;

/**
 * Continues the sweep through all open bookings. A booking whose workflow was lost gets a new one, which begins from its
 * row; one whose workflow has ended is flagged.
 */
export async function sweepOpenBookings(
  deps: SweepDeps,
  last: Sweep | undefined,
  stopAtMs: number,
): Promise<Swept> {
  const { db, workflows } = deps;
  const running = await workflows.countRunning().catch(() => undefined);
  const rowsMax = roundSize(last, Date.now());
  let lastId: number | undefined = last?.afterId ?? 0;
  const round = { seen: 0, lost: 0 };
  const done = { restarted: 0, unpaid: 0 };
  do {
    const limit = Math.min(pageRows, rowsMax - round.seen);
    const page: OpenBooking[] = await listOpenBookings(db, lastId, limit);
    done.unpaid += await flagUnpaidConfirmed(
      db,
      page.map(({ id }) => id),
    );
    const { lost, restarted } = await repairPage(deps, page);
    round.seen += page.length;
    round.lost += lost;
    done.restarted += restarted;
    lastId = page.length < limit ? undefined : page.at(-1)?.id;
  } while (lastId !== undefined && round.seen < rowsMax && Date.now() < stopAtMs);
  return { sweep: afterRound(last, { ...round, lastId, running, nowMs: Date.now() }), ...done };
}

/**
 * Asks Temporal about each booking, and again about those whose workflow does not run: meanwhile a booking may have ended,
 * or a start may have arrived. Each is repaired under its booking's lock, on the row as it is then.
 */
async function repairPage(deps: SweepDeps, page: readonly OpenBooking[]) {
  const { db, log } = deps;
  const { running, others } = await askTemporal(
    deps,
    page.filter(({ settled }) => settled),
  );
  await endFlags(db, 'workflow_ended', running);
  const suspects = await findLost(
    db,
    others.map(({ booking }) => booking),
  );
  let lost = 0;
  let restarted = 0;
  for (const { booking, status } of (await askTemporal(deps, suspects)).others) {
    const { id: bookingId, workflowId } = booking;
    lost++;
    if (status === 'COMPLETED') {
      // A run that ended well is never repeated (api/relay/workflow-client.ts).
      log.warn({ bookingId, workflowId }, 'Temporal has ended the workflow of an open booking');
      await flagEndedWorkflow(db, booking);
    } else if (await restartWorkflow(db, booking)) {
      log.warn({ bookingId, workflowId }, 'an open booking has no running workflow; it is started again');
      restarted++;
    }
  }
  return { lost, restarted };
}

async function askTemporal({ workflows }: SweepDeps, bookings: readonly OpenBooking[]) {
  const running: string[] = [];
  const others: { booking: OpenBooking; status: string | undefined }[] = [];
  await inLanes(bookings, { lanes, stopAtMs: Infinity }, async (booking) => {
    const status = await workflows.statusOf(booking.workflowId);
    if (status === 'RUNNING') running.push(booking.workflowId);
    else others.push({ booking, status });
  });
  return { running, others };
}
