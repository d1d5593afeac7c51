import { parseArgs } from 'node:util';

export interface RehearsalOptions {
  outageMs: number;
  /** Visits of clients that begin each second. */
  rate: number;
  holdMs: number;
  seed: number;
  keep: boolean;
}

export const usage = `npm run rehearsal -- [option …]

--outage-seconds N  how long Temporal is away (240)
--rate N            visits that begin each second (3)
--hold-seconds N    how long a hold lasts (15)
--seed N            repeat the choices of a run (one at random)
--keep              leave the directory with the logs behind`;

/** Reads the command line of `npm run rehearsal`. @throws on an unknown option, or on what is no number */
export function readOptions(args: string[]): RehearsalOptions {
  const { values } = parseArgs({
    args,
    options: {
      'outage-seconds': { type: 'string', default: '240' },
      rate: { type: 'string', default: '3' },
      'hold-seconds': { type: 'string', default: '15' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      keep: { type: 'boolean', default: false },
    },
  });
  const numberOf = (name: Exclude<keyof typeof values, 'keep'>) => {
    const value = Number(values[name]);
    if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a number above 0`);
    return value;
  };
  return {
    outageMs: numberOf('outage-seconds') * 1_000,
    rate: numberOf('rate'),
    holdMs: numberOf('hold-seconds') * 1_000,
    seed: numberOf('seed'),
    keep: values.keep,
  };
}
