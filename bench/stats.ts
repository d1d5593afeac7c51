import type { JobResult } from './load/job.ts';

export interface Summary {
  count: number;
  perSecond: number;
  p50: number;
  p99: number;
  max: number;
  /** Bytes of an answer's body, on average. */
  bytes: number;
}

/** The value below which a share of the sorted values lies (nearest rank); NaN without values. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Slices of the same target, combined. */
export function summarise(slices: readonly JobResult[]): Summary {
  const count = slices.reduce((sum, { latenciesMs }) => sum + latenciesMs.length, 0);
  const all = new Float64Array(count);
  let at = 0;
  for (const { latenciesMs } of slices) {
    all.set(latenciesMs, at);
    at += latenciesMs.length;
  }
  all.sort();
  const elapsedMs = slices.reduce((sum, slice) => sum + slice.elapsedMs, 0);
  const bytes = slices.reduce((sum, slice) => sum + slice.bytes, 0);
  return {
    count,
    perSecond: (count / elapsedMs) * 1000,
    p50: percentile(all, 0.5),
    p99: percentile(all, 0.99),
    max: percentile(all, 1),
    bytes: Math.round(bytes / Math.max(1, count)),
  };
}

/**
 * The least-squares line through points: its slope and the slope's standard error. `flat`: the slope is within
 * two standard errors of zero.
 */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]) {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const sxx = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / sxx;
  const residual = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  const error = Math.sqrt(residual / Math.max(1, n - 2) / sxx);
  return { slope, error, flat: Math.abs(slope) <= 2 * error };
}

/** @throws when an answer had another status: a figure of failed requests means nothing */
export function expectOnly(what: string, result: JobResult, ...expected: number[]): JobResult {
  const others = Object.entries(result.statuses).filter(([status]) => !expected.includes(Number(status)));
  if (others.length > 0) {
    throw new Error(`${what}: ${others.map(([status, count]) => `${count} × ${status}`).join(', ')}`);
  }
  if (result.latenciesMs.length === 0) throw new Error(`${what}: no answer at all`);
  return result;
}
