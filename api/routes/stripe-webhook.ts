import Stripe from 'stripe';
import { z } from 'zod';
import { intentStatuses } from '../../db/models.ts';
import {
  recordChargeRefunded,
  recordDispute,
  recordIntentEvent,
  recordRefundEvent,
  type RecordedEvent,
} from '../../db/stripe-events.ts';
import { refundFactOf } from '../../activities/refunds.ts';
import { webhookBodyBytesMax, webhookSkewSeconds } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import type { Deps } from '../deps.ts';
import { readRaw } from '../http/read-raw.ts';
import { route, type Route } from '../http/route.ts';

/**
 * Stripe's webhook: verify on the raw bytes, record the fact, leave the message, answer. Nothing else happens in
 * the request, so it does not wait for Temporal or for Stripe. Anything but 2xx makes Stripe deliver again, for
 * days (https://docs.stripe.com/webhooks#retries).
 */
export function webhookRoutes(deps: Deps): Route[] {
  const receive = route({
    method: 'POST',
    path: '/api/stripe-webhook/',
    access: 'anyone',
    tag: 'Payment',
    summary: 'Stripe’s events; signed, at least once, in any order',
    status: 200,
    response: z.strictObject({ status: z.literal('success') }),
    problems: ['invalid_signature', 'invalid_payload', 'payload_too_large'],
  })(async ({ ctx }) => {
    const payload = await readRaw(ctx, webhookBodyBytesMax);
    const event = verify(deps, payload, ctx.get('Stripe-Signature'));
    ctx.state['stripeEvent'] = event.id;
    if (event.livemode !== deps.config.stripe.livemode) {
      deps.log.warn({ eventId: event.id, livemode: event.livemode }, 'an event of the other mode is ignored');
    } else {
      await record(deps, event);
    }
    return { status: 'success' as const };
  });
  return [receive];
}

const envelope = z.looseObject({
  id: z.string().min(1).max(255),
  type: z.string().min(1).max(255),
  livemode: z.boolean(),
  data: z.looseObject({ object: z.looseObject({}) }),
});

/**
 * The event, if one of the secrets has signed these very bytes within 300 s. Stripe's own check refuses only what
 * is too old; a time in the future would make a captured delivery valid for as long.
 */
function verify({ config }: Deps, payload: Buffer, signature: string): Stripe.Event {
  const invalid = (detail: string) => new Problem('invalid_signature', { detail });
  if (signature === '' || signature.length > 4_096) throw invalid('The Stripe-Signature header is missing.');
  const signedAt = Number(/(?:^|,)t=(\d{1,12})(?:,|$)/.exec(signature)?.[1]);
  if (!(Math.abs(Date.now() / 1000 - signedAt) <= webhookSkewSeconds)) {
    throw invalid('The signature is too old or from the future; check the clocks.');
  }
  for (const secret of config.stripe.webhookSecrets) {
    try {
      const event = Stripe.webhooks.constructEvent(payload, signature, secret, webhookSkewSeconds);
      if (!envelope.safeParse(event).success) throw new Problem('invalid_payload');
      return event;
    } catch (error) {
      if (error instanceof SyntaxError) throw new Problem('invalid_payload');
      if (!(error instanceof Stripe.errors.StripeSignatureVerificationError)) throw error;
    }
  }
  throw invalid('No webhook secret of this service has signed this payload.');
}

/** Records what the event says. Other types are none of ours. */
async function record(deps: Deps, event: Stripe.Event): Promise<void> {
  switch (event.type) {
    case 'payment_intent.succeeded':
    case 'payment_intent.payment_failed':
    case 'payment_intent.canceled':
    case 'payment_intent.processing':
      return recordIntentNews(deps, event, event.data.object);
    case 'refund.created':
    case 'refund.updated':
    case 'refund.failed':
    case 'charge.refund.updated':
      await recordRefundNews(deps, event, event.data.object);
      return;
    case 'charge.refunded': {
      const charge = event.data.object;
      const intentId = idOf(charge.payment_intent);
      if (!intentId) return;
      const facts = {
        eventId: event.id,
        type: event.type,
        chargeId: charge.id,
        intentId,
        inFull: charge.refunded,
      };
      await recordChargeRefunded(deps.db, facts);
      return;
    }
    case 'charge.dispute.created': {
      const dispute = event.data.object;
      const intentId = idOf(dispute.payment_intent);
      if (!intentId) return;
      await recordDispute(deps.db, { eventId: event.id, type: event.type, disputeId: dispute.id, intentId });
      return;
    }
    default:
      return;
  }
}

const uuid = z.uuid();
const uuidOf = (value: unknown) => uuid.safeParse(value).data ?? null;
const idOf = (value: string | { id: string } | null | undefined) =>
  typeof value === 'string' ? value : value?.id;

const intentShape = z.looseObject({
  id: z.string().min(1).max(255),
  status: z.enum(intentStatuses).exclude(['creating']),
  amount: z.number().int().min(0).max(2_147_483_647),
  amount_received: z.number().int().min(0).max(2_147_483_647).default(0),
  currency: z.string().length(3),
  metadata: z.record(z.string(), z.string()).nullish(),
});

async function recordIntentNews(deps: Deps, event: Stripe.Event, object: unknown): Promise<void> {
  const parsed = intentShape.safeParse(object);
  if (!parsed.success) throw new Problem('invalid_payload');
  const intent = parsed.data;
  const recorded: RecordedEvent = await recordIntentEvent(deps.db, {
    eventId: event.id,
    type: event.type,
    intentId: intent.id,
    status: intent.status,
    amountMinor: intent.amount,
    receivedMinor: intent.amount_received,
    currency: intent.currency,
    paymentRef: uuidOf(intent.metadata?.['payment_ref']),
    bookingRef: uuidOf(intent.metadata?.['booking_ref']),
  });
  deps.relay.accept(recorded.message);
  if (recorded.outcome === 'foreign')
    deps.log.info({ eventId: event.id }, 'an event of a foreign payment is ignored');
}

async function recordRefundNews(deps: Deps, event: Stripe.Event, refund: Stripe.Refund): Promise<void> {
  const intentId = idOf(refund.payment_intent);
  if (!intentId) return;
  await recordRefundEvent(deps.db, {
    eventId: event.id,
    type: event.type,
    intentId,
    ...refundFactOf(refund),
  });
}
