import type { Answer } from '../chaos/browser.ts';
import type { Violation } from '../chaos/invariants.ts';
import type { Readiness } from './probes.ts';
import type { Stage } from './restarts.ts';

/** The time within which a client must be able to cancel after Temporal is back. */
const cancellationsBackMsMax = 3_000;

export interface Facts {
  answers: readonly Answer[];
  /** The restarts of one API after the other. */
  rollingRestarts: readonly Stage[];
  readinessInOutage: readonly Readiness[];
  cancellationsBackMs: readonly number[];
  /** Wrong ends of bookings, payments, events and workflows, from the rows and from Stripe's ledger. */
  violations: readonly Violation[];
}

/** A promise of the rehearsal, and the findings against it: none, if it was kept. */
export interface Finding {
  says: string;
  faults: string[];
}

/** Compares the promises with what happened. */
export function judge(facts: Facts): Finding[] {
  const { answers, rollingRestarts, violations } = facts;
  return [
    {
      says: 'every booking and its money ended right, by the rows and by Stripe’s ledger',
      faults: violations.map(({ invariant, what }) => `${invariant}: ${what}`),
    },
    {
      says: 'every refusal of the service (429, 503) says when to come back',
      faults: answers
        .filter(({ status, retryAfter }) => (status === 429 || status === 503) && !isDelay(retryAfter))
        .map(describeAnswer),
    },
    {
      says: `no request was lost or answered 502 or 504 in ${rollingRestarts.length} rolling restarts`,
      faults: [
        ...(rollingRestarts.length === 0 ? ['there was no rolling restart'] : []),
        ...answers
          .filter(({ status }) => status === 0 || status === 502 || status === 504)
          .filter((answer) => rollingRestarts.some((restart) => overlaps(answer, restart)))
          .map(describeAnswer),
      ],
    },
    {
      says: '/readyz answered 200 all the while that Temporal was away',
      faults: [
        ...(facts.readinessInOutage.length === 0 ? ['no probe was sent'] : []),
        ...facts.readinessInOutage
          .filter(({ status }) => status !== 200)
          .map(({ at, status }) => `${timeOf(at)}: ${status || 'no answer in time'}`),
      ],
    },
    {
      says: `cancellations worked again within ${cancellationsBackMsMax / 1_000} s of Temporal’s return, at every API`,
      faults: [
        ...(facts.cancellationsBackMs.length === 0 ? ['nobody cancelled'] : []),
        ...facts.cancellationsBackMs
          .filter((ms) => ms > cancellationsBackMsMax)
          .map((ms) => `after ${(ms / 1_000).toFixed(1)} s`),
      ],
    },
  ];
}

/** Whole seconds, as the service gives them (RFC 9110, 10.2.3). */
const isDelay = (retryAfter: string | undefined) => /^[1-9]\d*$/.test(retryAfter ?? '');

const overlaps = ({ sentAt, answeredAt }: Answer, { from, to }: Stage) => sentAt <= to && answeredAt >= from;

const describeAnswer = ({ call, status, code, sentAt, answeredAt }: Answer) =>
  `${timeOf(sentAt)} ${call}: ${status || 'no answer'} ${code} after ${answeredAt - sentAt} ms`;

const timeOf = (at: number) => new Date(at).toISOString().slice(11, 23);

const detailsMax = 12;

/** The findings as text, those against the service in full up to a dozen each. */
export function printFindings(findings: readonly Finding[]): string {
  return findings
    .flatMap(({ says, faults }) => [
      `${faults.length === 0 ? 'holds ' : 'BROKEN'} ${says}`,
      ...faults.slice(0, detailsMax).map((fault) => `         ${fault}`),
      ...(faults.length > detailsMax ? [`         … and ${faults.length - detailsMax} more`] : []),
    ])
    .join('\n');
}
