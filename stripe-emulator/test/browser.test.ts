import type Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { failureOf, startKit, type Kit } from './kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
beforeEach(() => kit.control.reset());
afterAll(() => kit.stop());

const raw = (path: string, init: RequestInit = {}) => fetch(`${kit.emulator.url}${path}`, init);
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: Stripe.StripeRawError }).error;

describe('the browser with the publishable key', () => {
  const browser = (path: string, form?: Record<string, string>) =>
    raw(path, {
      method: form ? 'POST' : 'GET',
      headers: bearer(kit.emulator.settings.STRIPE_PUBLISHABLE_KEY),
      ...(form ? { body: new URLSearchParams(form) } : {}),
    });
  const card = (number: string) => ({
    'payment_method_data[type]': 'card',
    'payment_method_data[card][number]': number,
    'payment_method_data[card][exp_month]': '12',
    'payment_method_data[card][exp_year]': '34',
    'payment_method_data[card][cvc]': '123',
  });

  test('confirms and retrieves with the client secret, and sees no private field', async () => {
    const intent = await kit.createIntent({ customer: 'cus_1' });
    const secret = intent.client_secret ?? '';
    const paid = await browser(`/v1/payment_intents/${intent.id}/confirm`, {
      client_secret: secret,
      ...card('4242 4242 4242 4242'),
    });
    expect(paid.status).toBe(200);
    expect(paid.headers.get('access-control-allow-origin')).toBe('*');
    const seen = (await paid.json()) as Record<string, unknown>;
    expect(seen).toMatchObject({ id: intent.id, status: 'succeeded', amount: 5000, client_secret: secret });
    for (const hidden of ['metadata', 'customer', 'latest_charge', 'amount_received']) {
      expect(seen).not.toHaveProperty(hidden);
    }
    const read = await browser(`/v1/payment_intents/${intent.id}?client_secret=${secret}`);
    expect(await read.json()).toEqual(seen);
  });

  test('a declined card is a 402 without private fields', async () => {
    const intent = await kit.createIntent();
    const response = await browser(`/v1/payment_intents/${intent.id}/confirm`, {
      client_secret: intent.client_secret ?? '',
      ...card('4000000000009995'),
    });
    expect(response.status).toBe(402);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: 'card_declined', decline_code: 'insufficient_funds' });
    expect(error.payment_intent).toMatchObject({ id: intent.id, status: 'requires_payment_method' });
    expect(error.payment_intent).not.toHaveProperty('metadata');
  });

  test('a wrong, missing or foreign client secret pays nothing', async () => {
    const intent = await kit.createIntent();
    const other = await kit.createIntent();
    for (const secret of ['pi_wrong_secret_x', other.client_secret ?? '']) {
      const response = await browser(`/v1/payment_intents/${intent.id}/confirm`, {
        client_secret: secret,
        ...card('4242424242424242'),
      });
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({
        code: 'payment_intent_invalid_parameter',
        param: 'client_secret',
      });
    }
    const missing = await browser(`/v1/payment_intents/${intent.id}/confirm`, card('4242424242424242'));
    expect((await errorOf(missing)).code).toBe('parameter_missing');
    expect((await kit.stripe.paymentIntents.retrieve(intent.id)).status).toBe('requires_payment_method');
  });

  test('nothing but confirm and retrieve is allowed', async () => {
    const { id, client_secret } = await kit.createIntent();
    const secret = { client_secret: client_secret ?? '' };
    for (const [path, form] of [
      ['/v1/payment_intents', undefined],
      ['/v1/payment_intents', { amount: '100', currency: 'eur' }],
      [`/v1/payment_intents/${id}`, secret],
      [`/v1/payment_intents/${id}/cancel`, secret],
      ['/v1/refunds', { payment_intent: id }],
      ['/v1/events', undefined],
    ] as const) {
      const response = await browser(path, form);
      expect([path, response.status]).toEqual([path, 403]);
      expect((await errorOf(response)).code).toBe('secret_key_required');
    }
  });

  test('a preflight of any origin is answered', async () => {
    const response = await raw('/v1/payment_intents/pi_1/confirm', {
      method: 'OPTIONS',
      headers: {
        origin: 'http://localhost:8000',
        'access-control-request-headers': 'authorization,idempotency-key',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-headers')).toBe('authorization,idempotency-key');
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
  });
});

describe('3-D Secure', () => {
  async function challenged(name = 'pm_card_authenticationRequired') {
    const { id } = await kit.createIntent();
    const intent = await kit.stripe.paymentIntents.confirm(id, {
      payment_method: name,
      return_url: 'http://localhost:8000/paid?booking=1',
    });
    return { id, intent, url: intent.next_action?.redirect_to_url?.url ?? '' };
  }
  const answer = (url: string, choice: string) =>
    fetch(url, { method: 'POST', body: new URLSearchParams({ choice }), redirect: 'manual' });

  test.each(['4000002500003155', '4000002760003184'])('%s asks the customer first', async (number) => {
    const { id } = await kit.createIntent();
    const intent = await kit.stripe.paymentIntents.confirm(id, {
      payment_method_data: { type: 'card', card: { number, exp_month: 12, exp_year: 2040 } },
    } as unknown as Stripe.PaymentIntentConfirmParams);
    expect(intent).toMatchObject({
      status: 'requires_action',
      amount_received: 0,
      next_action: { type: 'redirect_to_url' },
    });
  });

  test('the page completes it and leads back', async () => {
    const { id, intent, url } = await challenged('pm_card_threeDSecure2Required');
    expect(intent.status).toBe('requires_action');
    const page = await fetch(url);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('value="complete"');
    const done = await answer(url, 'complete');
    expect(done.status).toBe(303);
    const back = new URL(done.headers.get('location') ?? '');
    expect(Object.fromEntries(back.searchParams)).toEqual({
      booking: '1',
      payment_intent: id,
      payment_intent_client_secret: intent.client_secret,
      redirect_status: 'succeeded',
    });
    expect(await kit.stripe.paymentIntents.retrieve(id)).toMatchObject({
      status: 'succeeded',
      next_action: null,
    });
    expect((await answer(url, 'complete')).status).toBe(400);
  });

  test('the page fails it, and the PaymentIntent takes another card', async () => {
    const { id, url } = await challenged();
    const done = await answer(url, 'fail');
    expect(done.headers.get('location')).toContain('redirect_status=failed');
    const intent = await kit.stripe.paymentIntents.retrieve(id);
    expect(intent).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    });
    expect((await kit.control.pay(id)).status).toBe('succeeded');
  });

  test('the page needs the client secret', async () => {
    const { url } = await challenged();
    expect((await answer(url.replace(/secret_.{3}/, 'secret_AAA'), 'complete')).status).toBe(400);
  });

  test('the control completes it, a declining card included', async () => {
    const { id } = await challenged();
    expect((await kit.control.completeChallenge(id, 'succeeded')).status).toBe('succeeded');
    const declined = await challenged('pm_card_threeDSecureRequiredChargeDeclined');
    const after = await kit.control.completeChallenge(declined.id, 'succeeded');
    expect(after).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'card_declined' },
    });
  });
});

describe('processing', () => {
  test.each(['succeeded', 'failed'] as const)('pm_processing waits until it %s', async (outcome) => {
    const { id } = await kit.createIntent();
    const intent = await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_processing' });
    expect(intent.status).toBe('processing');
    const error = await failureOf(kit.stripe.paymentIntents.cancel(id));
    expect(error.payment_intent?.status).toBe('processing');
    const settled = await kit.control.settleProcessing(id, outcome);
    expect(settled.status).toBe(outcome === 'succeeded' ? 'succeeded' : 'requires_payment_method');
    expect(settled.amount_received).toBe(outcome === 'succeeded' ? 5000 : 0);
  });

  test('in the rare case it can be cancelled', async () => {
    const { id } = await kit.createIntent();
    await kit.control.startProcessing(id, { cancelable: true });
    expect((await kit.stripe.paymentIntents.cancel(id)).status).toBe('canceled');
  });
});
