import type Stripe from 'stripe';
import { isUnavailable } from '../../db/errors.ts';
import { raiseFlag } from '../../db/flags.ts';
import { knownEvents } from '../../db/stripe-events.ts';
import type { CoreDeps } from '../deps.ts';
import { type EventRecorder, handledEventTypes } from '../payments/record-event.ts';

const firstSpanSeconds = 10 * 60;
const pagesAtOnceMax = 20;

/** In whole seconds since 1970 by Stripe's clock, as its `created` is. */
interface Search {
  from: number;
  /** Now: the last span has no end. */
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
  deps: CoreDeps,
  recordEvent: EventRecorder,
  { from, until, stopAtMs }: Search,
): Promise<{ missed: number; until: number }> {
  let missed = 0;
  let begin = from;
  let span = firstSpanSeconds;
  do {
    const next = Math.min(begin + span, until);
    const created = { gte: begin, ...(next < until && { lt: next }) };
    const unknown = await listUnknownEvents(deps, created, next - begin > 1 ? pagesAtOnceMax : Infinity);
    if (unknown) {
      for (const event of unknown) if (await recordMissed(deps, recordEvent, event)) missed++;
      begin = next;
    }
    span = unknown ? span * 2 : Math.ceil(span / 4);
  } while (begin < until && (begin === from || Date.now() < stopAtMs));
  return { missed, until: begin };
}

/**
 * Records one event. One that cannot be recorded is flagged, and the later ones are recorded all the same; it is
 * tried again when the last days are looked through again.
 * @returns whether it was missed
 * @throws when the database is out of reach
 */
async function recordMissed(
  { db, log }: CoreDeps,
  recordEvent: EventRecorder,
  event: Stripe.Event,
): Promise<boolean> {
  try {
    const { outcome } = await recordEvent(event);
    return outcome !== 'ignored' && outcome !== 'repeat';
  } catch (error) {
    if (isUnavailable(error)) throw error;
    log.error({ err: error, eventId: event.id, type: event.type }, 'a missed event cannot be recorded');
    const detail = `This event of Stripe's (${event.type}) cannot be recorded; the log of the worker says why.`;
    await raiseFlag(db, { kind: 'reconcile_failed', subject: event.id, detail });
    return false;
  }
}

/** Stripe's clock, which its events are dated by, in seconds. Ours may be wrong by any amount. */
export async function readStripeClock({ stripe }: CoreDeps): Promise<number> {
  const { lastResponse } = await stripe.events.list({ limit: 1 });
  const stripeMs = Date.parse(lastResponse.headers['date'] ?? '');
  return Math.floor((Number.isNaN(stripeMs) ? Date.now() : stripeMs) / 1000);
}

/**
 * Events of the handled types that are not on record, oldest first.
 * @returns undefined when there are more pages of them than that
 */
async function listUnknownEvents(
  { db, stripe }: CoreDeps,
  created: Stripe.RangeQueryParam,
  pagesMax: number,
): Promise<Stripe.Event[] | undefined> {
  const unknown: Stripe.Event[] = [];
  const query = { types: [...handledEventTypes], created, limit: 100 };
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
