import { raiseFlag } from '../../db/flags.ts';
import { findPayment, recordIntent } from '../../db/payments.ts';
import { declinesMax } from '../../domain/limits.ts';
import type { PaymentEvent } from '../../domain/messages.ts';
import type { CoreDeps } from '../deps.ts';
import { intentFactOf, retrieveIntent } from '../stripe/intents.ts';
import { adoptPayment } from './adopt-payment.ts';
import { closeDeclinedPayments } from './close-payments.ts';
import { type Decider, decidePayment } from './decide-payment.ts';
import { recordMoneyMoved } from './record-money-moved.ts';

/**
 * Asks Stripe for the PaymentIntent of an event that may not be the truth, records it and what of its money went back, and
 * decides. A PaymentIntent that Stripe does not have is flagged and left at that: it must not keep the booking from being
 * paid. One for which too many cards were declined is closed.
 * @throws NotYet PaymentStillOpen, StripeError
 */
export async function verifyPayment(
  deps: Pick<CoreDeps, 'db' | 'stripe'>,
  event: PaymentEvent & Decider,
): Promise<void> {
  const { db, stripe } = deps;
  const intent = await retrieveIntent(stripe, event.intentId);
  if (!intent) {
    const detail = 'An event names this payment, but Stripe does not have it.';
    return raiseFlag(db, { kind: 'payment_mismatch', subject: event.intentId, detail });
  }
  const payment = (await findPayment(db, event)) ?? (await adoptPayment(db, intent, event.bookingRef));
  if (payment) {
    await recordIntent(db, payment, intentFactOf(intent));
    if (intent.status === 'succeeded') await recordMoneyMoved(deps, intent.id);
    if (payment.declines >= declinesMax) await closeDeclinedPayments(deps, payment.bookingRef);
  }
  await decidePayment(db, event);
}
