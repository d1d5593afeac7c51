import { StripeFailure } from './errors.ts';
import type { World } from './events.ts';
import { parseForm } from './form.ts';
import { finishChallenge } from './payment-attempts.ts';
import { checkClientSecret } from './publishable.ts';
import { findPaymentIntent } from './payment-intents.ts';
import { noCause, type PaymentIntent } from './types.ts';

interface PageAnswer {
  status: number;
  body: string;
  headers: Record<string, string>;
}

/**
 * The bank's page of a 3-D Secure challenge, where `next_action.redirect_to_url` leads: two buttons, then back to
 * the `return_url` with the parameters that Stripe adds
 * (https://docs.stripe.com/payments/accept-a-payment – handle the return).
 */
export async function answerChallenge(
  world: World,
  id: string,
  query: string,
  body: string,
): Promise<PageAnswer> {
  try {
    const intent = findPaymentIntent(world, id);
    checkClientSecret(intent, parseForm(query));
    const choice = parseForm(body)['choice'];
    if (choice !== 'complete' && choice !== 'fail') return page(200, question(intent));
    const returnUrl = intent.next_action?.redirect_to_url.return_url ?? null;
    finishChallenge(world, intent, choice === 'complete', noCause);
    await world.tables.commit();
    return returnUrl === null ? page(200, `<p>Done: ${intent.status}.</p>`) : goBack(returnUrl, intent);
  } catch (error) {
    if (!(error instanceof StripeFailure)) throw error;
    return page(error.status, `<p>${escapeHtml(error.message)}</p>`);
  }
}

function question(intent: PaymentIntent): string {
  const amount = `${intent.amount} ${escapeHtml(intent.currency)} (smallest unit)`;
  return (
    `<h1>3-D Secure test page</h1><p>Payment of ${amount}, ${escapeHtml(intent.status)}.</p><form method="post">` +
    '<button name="choice" value="complete">Complete</button> <button name="choice" value="fail">Fail</button></form>'
  );
}

function goBack(returnUrl: string, intent: PaymentIntent): PageAnswer {
  const location = new URL(returnUrl);
  location.searchParams.set('payment_intent', intent.id);
  location.searchParams.set('payment_intent_client_secret', intent.client_secret);
  location.searchParams.set('redirect_status', intent.status === 'succeeded' ? 'succeeded' : 'failed');
  return { status: 303, body: '', headers: { location: location.href } };
}

function page(status: number, content: string): PageAnswer {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>3-D Secure (Stripe emulator)</title>${content}</html>`;
  return { status, body, headers: { 'content-type': 'text/html; charset=utf-8' } };
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
