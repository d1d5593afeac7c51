import type Stripe from 'stripe';
import { knownEvents } from '../db/stripe-events.ts';
import type { ActivityDeps } from './deps.ts';
import { type EventRecorder, handledEventTypes } from './stripe-events.ts';

/** Stripe's clock may be a little ahead of ours. */
const clockDoubtSeconds = 60;
const firstSpanSeconds = 10 * 60;
const pagesAtOnceMax = 20;

/** All times in whole seconds since 1970, as Stripe's `created` is. */
interface Search {
  from: number;
  until: number;
  /** `Date.now()` after which the search ends as soon as it has got on, for the next one to go on from there. */
  stopAtMs: number;
}

/**
 * Records the events that Stripe has sent and nobody has received. Stripe lists the newest first, and they are recorded
 * as they happened: so the time is gone through span by span, longer ones while little has happened and shorter ones
 * where there is much.
 * @returns how many were missed, and until when it has looked
 */
export async function recordMissedEvents(
  deps: ActivityDeps,
  recordEvent: EventRecorder,
  { from, until, stopAtMs }: Search,
): Promise<{ missed: number; until: number }> {
  const end = until + clockDoubtSeconds;
  let missed = 0;
  let begin = from;
  let span = firstSpanSeconds;
  do {
    const next = Math.min(begin + span, end);
    const unknown = await listUnknownEvents(deps, begin, next);
    if (unknown) {
      for (const event of unknown) {
        const { outcome } = await recordEvent(event);
        if (outcome !== 'ignored' && outcome !== 'repeat') missed++;
      }
      begin = next;
    }
    span = unknown ? span * 2 : Math.ceil(span / 4);
  } while (begin < end && (begin === from || Date.now() < stopAtMs));
  return { missed, until: Math.min(begin, until) };
}

/**
 * Events of the handled types that are not on record, oldest first.
 * @returns undefined when there are too many in this span, which is never so within one second
 */
async function listUnknownEvents(
  { db, stripe }: ActivityDeps,
  from: number,
  to: number,
): Promise<Stripe.Event[] | undefined> {
  const pagesMax = to - from > 1 ? pagesAtOnceMax : Infinity;
  const unknown: Stripe.Event[] = [];
  const query = { types: [...handledEventTypes], created: { gte: from, lt: to }, limit: 100 };
  let page = await stripe.events.list(query);
  for (let pages = 1; ; pages++) {
    const known = await knownEvents(
      db,
      page.data.map((event) => event.id),
    );
    unknown.push(...page.data.filter((event) => !known.has(event.id)));
    const last = page.data.at(-1);
    if (!page.has_more || !last) return unknown.reverse();
    if (pages >= pagesMax) return undefined;
    page = await stripe.events.list({ ...query, starting_after: last.id });
  }
}
