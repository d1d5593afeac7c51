import Stripe from 'stripe';
import { z } from 'zod';
import { handledEventTypes } from '../../core/payments/record-event.ts';
import { raiseFlag } from '../../db/flags.ts';
import { webhookBodyBytesMax, webhookSkewSeconds } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import type { Deps } from '../deps.ts';
import { readJsonBytes } from '../../http/body-bytes.ts';
import { route, type Route } from '../../http/route.ts';

const path = '/api/stripe-webhook/';
const signatureHeader = {
  name: 'Stripe-Signature',
  description: 'Stripe’s signature of the very bytes of the body, with its time.',
};
const stripeEvent = {
  description: 'An event, as Stripe sends it (https://docs.stripe.com/api/events/object).',
  example: {
    id: 'evt_1',
    object: 'event',
    type: 'payment_intent.succeeded',
    livemode: false,
    data: { object: { id: 'pi_1', object: 'payment_intent', status: 'succeeded' } },
  },
};

/**
 * Stripe's webhook: verify on the raw bytes, record the fact, leave the message, answer. Nothing else happens in
 * the request, so it does not wait for Temporal or for Stripe. Anything but 2xx makes Stripe deliver again, for
 * days (https://docs.stripe.com/webhooks#retries).
 */
export function webhookRoutes(deps: Deps): Route[] {
  const receive = route({
    method: 'POST',
    path,
    access: 'anyone',
    tag: 'Payment',
    summary: 'Stripe’s events; signed, at least once, in any order',
    status: 200,
    response: z.strictObject({ status: z.literal('success') }),
    problems: ['invalid_signature', 'invalid_payload', 'payload_too_large', 'unsupported_media_type'],
    ownChecks: { header: signatureHeader, body: stripeEvent },
  })(async ({ ctx }) => {
    const payload = (await readJsonBytes(ctx, webhookBodyBytesMax)).toString();
    const event = verify(deps, payload, ctx.get('Stripe-Signature'));
    const stranger = event.livemode !== deps.config.stripe.livemode || event.account;
    await (stranger ? flagStranger(deps, event) : record(deps, event));
    return { status: 'success' as const };
  });
  return [receive];
}

/**
 * An event of the other mode or of another account (Connect) is no news of ours: an endpoint is set up wrongly. It will
 * send every event of that mode, and all of them are one thing to be put right: one flag, with their count.
 */
async function flagStranger({ db, log }: Deps, event: Stripe.Event): Promise<void> {
  const { id: eventId, livemode, account } = event;
  log.warn({ eventId, livemode, account }, 'an event of the other mode or of another account is ignored');
  const origin = `${livemode ? 'live' : 'test'} mode${account ? ', connected accounts' : ''}`;
  await raiseFlag(db, {
    kind: 'payment_mismatch',
    subject: `${path} (${origin})`,
    detail: `Stripe sends events of another origin than this service's here (${origin}); they are ignored. Look at the webhook endpoints at Stripe. The last was ${eventId.slice(0, 100)}.`,
  });
}

/** The fields that this route needs; the event is handed on whole. */
const envelope = z.object({
  id: z.string().min(1).max(255),
  type: z.string().min(1).max(255),
  livemode: z.boolean(),
  created: z.number().int().min(0).max(8_640_000_000).optional(),
  account: z.string().max(255).nullish(),
  data: z.object({ object: z.object({}) }),
});

/**
 * The event, if one of the secrets has signed these very bytes within 300 s. Stripe's own check refuses only what
 * is too old; a time in the future would make a captured delivery valid for as long.
 */
function verify({ config }: Deps, payload: string, signature: string): Stripe.Event {
  const invalid = (detail: string) => new Problem('invalid_signature', { detail });
  if (signature === '' || signature.length > 4_096) throw invalid('The Stripe-Signature header is missing.');
  const signedAt = Number(/(?:^|,)t=(\d{1,12})(?:,|$)/.exec(signature)?.[1]);
  if (!(Math.abs(Date.now() / 1000 - signedAt) <= webhookSkewSeconds)) {
    throw invalid('The signature is too old or from the future; check the clocks.');
  }
  if (!config.stripe.webhookSecrets.some((secret) => isSigned(payload, signature, secret))) {
    throw invalid('No webhook secret of this service has signed this payload.');
  }
  return readEvent(payload);
}

/** Has this secret signed this payload? Asked by itself: the library's `constructEvent` throws at thin events. */
function isSigned(payload: string, signature: string, secret: string): boolean {
  const { signature: verifier } = Stripe.webhooks;
  if (!verifier) throw new Error('the stripe library has no means to verify signatures');
  try {
    return verifier.verifyHeader(payload, signature, secret, webhookSkewSeconds);
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    throw error;
  }
}

/**
 * The event in a signed payload. A thin one, of Stripe's API v2, carries no object, and its type means nothing here.
 * @throws Problem invalid_payload
 */
function readEvent(payload: string): Stripe.Event {
  let event: { object?: unknown } | null;
  try {
    event = JSON.parse(payload);
  } catch {
    throw new Problem('invalid_payload');
  }
  if (event?.object === 'v2.core.event')
    event = { ...event, created: undefined, data: { object: {} } } as typeof event;
  if (!envelope.safeParse(event).success) throw new Problem('invalid_payload');
  return event as Stripe.Event;
}

/** A label for the metrics: Stripe has hundreds of types, and a forged event can name any. */
function handledType(type: string): string {
  return (handledEventTypes as readonly string[]).includes(type) ? type : 'other';
}

async function record({ recordEvent, relay, log, metrics }: Deps, event: Stripe.Event): Promise<void> {
  const { outcome, message } = await recordEvent(event);
  if (outcome === 'invalid') throw new Problem('invalid_payload');
  metrics.webhooks.inc({ type: handledType(event.type), outcome });
  relay.accept(message);
  log.info({ eventId: event.id, type: event.type, outcome }, 'stripe event');
}
