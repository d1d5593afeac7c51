import type { Evidence } from './facts.ts';
import { invariants, type Violation } from './invariants.ts';

const detailsMax = 12;

export interface RunFacts {
  command: string;
  seed: number;
  seconds: number;
  quietMs: number;
  visits: number;
  faults: Record<string, number>;
  restarts: number;
  /** Whether the run also checked that every answer came in time. */
  answersInTime: boolean;
}

/** The counts and findings of a run, as text. */
export function reportRun(facts: RunFacts, evidence: Evidence, violations: readonly Violation[]): string {
  const { bookings, intents, answers, moves } = evidence;
  const late = moves.filter(({ cause }) => cause === 'paid_late').length;
  const lines = [
    `\n${facts.command}`,
    row('seed', facts.seed),
    row('seconds under faults', facts.seconds),
    row('seconds until quiet', (facts.quietMs / 1_000).toFixed(1)),
    row('faults', counts(facts.faults)),
    row('ends of processes seen by the supervisor', facts.restarts),
    row('visits', facts.visits),
    row('bookings', `${bookings.length}: ${counts(tally(bookings, ({ status }) => status))}`),
    row('moves', counts(tally(moves, ({ fromStatus, toStatus }) => `${fromStatus ?? 'new'}→${toStatus}`))),
    row('confirmed by late money', late),
    row('PaymentIntents', `${intents.length}: ${counts(tally(intents, ({ status }) => status))}`),
    row('events accepted', evidence.acceptedEvents.size),
    row('ended after SIGTERM, ms (p50 p99 max)', spread(evidence.stops.map(({ tookMs }) => tookMs))),
    row('refunds', counts(tally(evidence.refunds, ({ status }) => status))),
    row('disputes', counts(tally(evidence.disputes, ({ status }) => status))),
    row('bookings shown by the API', evidence.shown.length),
    row('overdue before settled, s (p50 p99 max)', overdue(evidence)),
    row(
      'answers to book',
      counts(
        tally(
          answers.filter(({ call }) => call === 'book'),
          nameOf,
        ),
      ),
    ),
    row(
      'answers to intent',
      counts(
        tally(
          answers.filter(({ call }) => call === 'intent'),
          nameOf,
        ),
      ),
    ),
    row(
      'answers to cancel',
      counts(
        tally(
          answers.filter(({ call }) => call === 'cancel'),
          nameOf,
        ),
      ),
    ),
    row('answer times, ms (p50 p99 max)', answerTimes(answers)),
    '',
  ];
  const checks = Object.entries(invariants).map(([name, { says }]) => ({ name, says }));
  if (facts.answersInTime) checks.push({ name: 'slow', says: 'no answer took longer than 3 s' });
  for (const { name, says } of checks) {
    const broken = violations.filter(({ invariant }) => invariant === name);
    lines.push(`${name.padEnd(4)} ${String(broken.length).padStart(5)} violations   ${says}`);
    for (const { what } of broken.slice(0, detailsMax)) lines.push(`           ${what}`);
    if (broken.length > detailsMax) lines.push(`           … and ${broken.length - detailsMax} more`);
  }
  return lines.join('\n');
}

const row = (name: string, value: string | number) => `${name.padEnd(42)} ${value}`;

const nameOf = ({ status, code }: { status: number; code: string }) =>
  status === 0 ? `none (${code})` : `${status} ${code}`.trim();

function tally<T>(items: readonly T[], nameOfItem: (item: T) => string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const item of items) found[nameOfItem(item)] = (found[nameOfItem(item)] ?? 0) + 1;
  return found;
}

function counts(of: Record<string, number>): string {
  const sorted = Object.entries(of).sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${count} ${name}`).join(', ') || '-';
}

function answerTimes(answers: Evidence['answers']): string {
  return spread(answers.map(({ sentAt, answeredAt }) => answeredAt - sentAt));
}

/** How long holds were overdue when they were settled, the times of the faults included. */
function overdue({ bookings, moves }: Evidence): string {
  const deadlineOf = new Map(bookings.map(({ id, deadline }) => [id, deadline]));
  const seconds = moves
    .filter(({ toStatus }) => toStatus === 'expired')
    .map(({ bookingId, committedAt }) => (committedAt - (deadlineOf.get(bookingId) ?? 0)) / 1e6);
  return spread(seconds, 1);
}

/** The median, the 99th percentile and the maximum. */
function spread(values: readonly number[], digits = 0): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(digits) ?? '-';
  return [0.5, 0.99, 1].map(at).join(' ');
}
