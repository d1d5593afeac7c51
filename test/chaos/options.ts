import { parseArgs } from 'node:util';

const faultKinds = [
  ...(['kill', 'term', 'freeze', 'link', 'webhooks', 'stripe'] as const),
  ...(['readonly', 'clock', 'log', 'bank', 'rooms'] as const),
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface ChaosOptions {
  /** How long faults strike. */
  seconds: number;
  seed: number;
  /** Minimum number of bookings: the run, including faults, continues until then. */
  bookings: number;
  /** Visits of clients that begin each second, whatever became of the ones before (an open model). */
  rate: number;
  holdMs: number;
  faults: FaultKind[];
  /** Number of payments around their deadline, which replace the chaos run. 0: chaos. */
  photoFinish: number;
  /**
   * Duration of each outage of Temporal and Postgres (killed, restarted, frozen and cut off), which replace the chaos
   * run. 0: chaos.
   */
  outageMs: number;
  /** Leave the directory with the logs behind. */
  keep: boolean;
}

export const usage = `npm run chaos -- [option …]

--seconds N        how long faults strike (60)
--rate N           visits that begin each second (14)
--bookings N       go on until so many bookings were made (0)
--hold-seconds N   how long a hold lasts (6)
--faults A,B       which faults: ${faultKinds.join(', ')} (all)
--seed N           repeat the choices of a run (one at random)
--photo-finish N   instead of faults: so many payments around their deadline
--outages SECONDS  instead of faults: Temporal and Postgres killed, restarted, frozen, cut off, for so long each
--keep             leave the directory with the logs behind`;

/** Reads the command line of `npm run chaos`. @throws on an unknown option or fault */
export function readOptions(args: string[]): ChaosOptions {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      bookings: { type: 'string', default: '0' },
      rate: { type: 'string', default: '14' },
      'hold-seconds': { type: 'string', default: '6' },
      faults: { type: 'string', default: faultKinds.join(',') },
      'photo-finish': { type: 'string', default: '0' },
      outages: { type: 'string', default: '0' },
      keep: { type: 'boolean', default: false },
    },
  });
  return {
    seconds: numberOf('seconds', values.seconds),
    seed: numberOf('seed', values.seed),
    bookings: numberOf('bookings', values.bookings),
    rate: numberOf('rate', values.rate),
    holdMs: numberOf('hold-seconds', values['hold-seconds']) * 1_000,
    faults: values.faults.split(',').filter(Boolean).map(faultOf),
    photoFinish: numberOf('photo-finish', values['photo-finish']),
    outageMs: numberOf('outages', values.outages) * 1_000,
    keep: values.keep,
  };
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} must be a number, not "${text}"`);
  return value;
}

function faultOf(name: string): FaultKind {
  const found = faultKinds.find((kind) => kind === name);
  if (!found) throw new Error(`--faults knows ${faultKinds.join(', ')}, not "${name}"`);
  return found;
}
