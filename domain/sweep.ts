/**
 * The pace of the sweep: the reconciler goes through all open bookings by id, a part of them each round, and asks Temporal
 * for the workflow of each. What it found is carried from round to round in the result of its workflow.
 */
export interface Sweep {
  /** The booking that the next round goes on after; 0 when a lap begins. */
  afterId: number;
  /** Open bookings that this lap has passed, and how many of them had no running workflow. */
  seen: number;
  lost: number;
  /** How many bookings were open in the lap before, by its own count. */
  open?: number;
  /** Something is wrong, or not known yet: the sweep goes as fast as its time allows. */
  hurry: boolean;
  /** When the round was, ISO 8601. */
  at: string;
}

/** A lap takes no longer while all is well; six hours are promised. */
const lapMs = 5 * 3_600_000;
const roundRowsMin = 200;
const roundGapMsMax = 3_600_000;

/**
 * How many bookings a round looks at.
 * @returns Infinity when it may go on for as long as it has time
 */
export function roundSize(last: Sweep | undefined, nowMs: number): number {
  if (last?.open === undefined || last.hurry) return Infinity;
  const gapMs = Math.min(Math.max(nowMs - Date.parse(last.at), 0), roundGapMsMax);
  return Math.max(roundRowsMin, Math.ceil((last.open * gapMs) / lapMs));
}

export interface Round {
  /** The last booking that was looked at; undefined when the round has come to the end of the lap. */
  lastId: number | undefined;
  seen: number;
  lost: number;
  /** Workflows of bookings that run, by Temporal's own count; undefined where it cannot say. */
  running: number | undefined;
  nowMs: number;
}

/**
 * The sweep after a round. It hurries until a whole lap has found nothing lost, and while Temporal runs noticeably fewer
 * workflows than bookings were open: some may have been lost together.
 */
export function afterRound(last: Sweep | undefined, round: Round): Sweep {
  const seen = (last?.seen ?? 0) + round.seen;
  const lost = (last?.lost ?? 0) + round.lost;
  const ended = round.lastId === undefined;
  const open = ended ? seen : last?.open;
  const fewer = open !== undefined && round.running !== undefined && runsFewer(round.running, open);
  const hurried = last === undefined || last.open === undefined || last.hurry;
  return {
    afterId: round.lastId ?? 0,
    seen: ended ? 0 : seen,
    lost: ended ? 0 : lost,
    ...(open !== undefined && { open }),
    hurry: fewer || (ended ? lost > 0 : hurried || lost > 0),
    at: new Date(round.nowMs).toISOString(),
  };
}

/** Counts that were taken at different times differ a little by themselves. */
const runsFewer = (running: number, open: number): boolean => running < open * 0.98 - 50;
