import { readdirSync, readFileSync } from 'node:fs';

// Resource use of processes, from Linux's /proc. Elsewhere the figures are left empty and say so.

/** Linux counts in hundredths of a second for programs, whatever its own tick (proc(5), USER_HZ). */
const msPerTick = 10;

/** The fields of /proc/PID/stat after the name, which may hold spaces: [0] is the state, [1] the parent. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** CPU time in milliseconds, of all threads. With `family` also of its children, those that have ended included. */
export function cpuMs(pid: number | undefined, options: { family?: boolean } = {}): number {
  if (pid === undefined) return 0;
  const own = statOf(pid);
  if (!own) return Number.NaN;
  const ticks = (from: number) => Number(own[from]) + Number(own[from + 1]);
  if (!options.family) return ticks(11) * msPerTick;
  let sum = (ticks(11) + ticks(13)) * msPerTick;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (Number(stat?.[1]) === pid) sum += (Number(stat?.[11]) + Number(stat?.[12])) * msPerTick;
  }
  return sum;
}

/** Resident memory in MiB. */
export function residentMib(pid: number | undefined): number {
  if (pid === undefined) return Number.NaN;
  try {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return Number(kib) / 1024;
  } catch {
    return Number.NaN;
  }
}
