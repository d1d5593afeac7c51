import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a socket is slow. `header`: it never ends its headers; `body`: it never ends its body; `silent`: not a byte. */
export type Slowness = 'header' | 'body' | 'silent';

export interface SlowEnd {
  slowness: Slowness;
  /** How long the server kept the connection open. */
  afterMs: number;
  /** The answer before the connection was closed, if any. */
  answer: string;
}

const opening: Record<Slowness, string> = {
  header: 'GET /api/rooms/ HTTP/1.1\r\nHost: x\r\nX-Slow: ',
  body: 'POST /api/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"a":"',
  silent: '',
};
const byteEveryMs = 1_000;

/** Opens one slow connection and sends it a byte now and then until the server ends it, or `timeoutMs` is over. */
export function holdSlowly(port: number, slowness: Slowness, timeoutMs: number): Promise<SlowEnd> {
  return new Promise((resolve) => {
    const begun = performance.now();
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(opening[slowness]));
    const drip = setInterval(() => slowness !== 'silent' && socket.write('a'), byteEveryMs);
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(drip);
      clearTimeout(timer);
      resolve({ slowness, afterMs: performance.now() - begun, answer });
    });
  });
}

/** Calls `ask` at a constant rate for a time, whether or not earlier calls are done: floods do not wait. */
export async function flood<T>(
  perSecond: number,
  forMs: number,
  ask: (n: number) => Promise<T>,
): Promise<T[]> {
  const begun = performance.now();
  const asked: Promise<T>[] = [];
  for (let n = 0; performance.now() - begun < forMs; n++) {
    const due = (n * 1_000) / perSecond - (performance.now() - begun);
    if (due > 0) await sleep(due);
    asked.push(ask(n));
  }
  return Promise.all(asked);
}

/** The smallest value that this share of the samples does not exceed. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/**
 * Tests whether two sets of samples have the same distribution: the standard score of the Mann–Whitney U test (normal
 * approximation). By chance it exceeds ±2.6 once in a hundred times.
 */
export function rankDifference(one: readonly number[], other: readonly number[]): number {
  const ranked = [
    ...one.map((value) => ({ value, first: true })),
    ...other.map((value) => ({ value, first: false })),
  ];
  ranked.sort((a, b) => a.value - b.value);
  const rankSum = ranked.reduce((sum, { first }, index) => sum + (first ? index + 1 : 0), 0);
  const [n, m] = [one.length, other.length];
  const u = rankSum - (n * (n + 1)) / 2;
  return (u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12);
}
