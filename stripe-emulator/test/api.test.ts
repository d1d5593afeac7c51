import Stripe from 'stripe';
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

describe('authentication and addresses', () => {
  test('no key and a wrong key are 401', async () => {
    const none = await raw('/v1/payment_intents');
    expect(none.status).toBe(401);
    expect((await errorOf(none)).message).toContain('You did not provide an API key');
    const { hostname, port } = new URL(kit.emulator.url);
    const stranger = new Stripe('sk_test_someone_else', {
      host: hostname,
      port,
      protocol: 'http',
      maxNetworkRetries: 0,
    });
    const error = await failureOf(stranger.paymentIntents.list());
    expect(error).toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
    expect(error.message).toContain('Invalid API Key provided');
    expect(error.message).not.toContain('sk_test_someone_else');
  });

  test('the key may come as Basic user, as with curl -u', async () => {
    const basic = Buffer.from(`${kit.emulator.settings.STRIPE_SECRET_KEY}:`).toString('base64');
    const response = await raw('/v1/account', { headers: { authorization: `Basic ${basic}` } });
    expect(await response.json()).toMatchObject({ object: 'account', charges_enabled: true });
  });

  test("an unknown address is a 404 in Stripe's shape", async () => {
    const error = await failureOf(kit.stripe.customers.create({ email: 'guest@example.com' }));
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error.statusCode).toBe(404);
    expect(error.message).toContain('Unrecognized request URL (POST: /v1/customers)');
  });

  test('unknown ids are 404 resource_missing', async () => {
    for (const attempt of [
      kit.stripe.paymentIntents.retrieve('pi_none'),
      kit.stripe.refunds.retrieve('re_none'),
      kit.stripe.charges.retrieve('ch_none'),
      kit.stripe.events.retrieve('evt_none'),
    ]) {
      const error = await failureOf(attempt);
      expect({ status: error.statusCode, code: error.code }).toEqual({
        status: 404,
        code: 'resource_missing',
      });
    }
  });

  test('a body of JSON is refused, a large one is 413', async () => {
    const headers = {
      ...bearer(kit.emulator.settings.STRIPE_SECRET_KEY),
      'content-type': 'application/json',
    };
    const json = await raw('/v1/payment_intents', { method: 'POST', headers, body: '{"amount":100}' });
    expect(json.status).toBe(400);
    expect((await errorOf(json)).message).toContain('application/x-www-form-urlencoded');
    const large = await raw('/v1/payment_intents', { method: 'POST', headers, body: 'x'.repeat(5_000_000) });
    expect(large.status).toBe(413);
  });

  test('names of parameters cannot reach the prototype', async () => {
    const headers = bearer(kit.emulator.settings.STRIPE_SECRET_KEY);
    const body = new URLSearchParams({ amount: '100', currency: 'eur', '__proto__[polluted]': '1' });
    const response = await raw('/v1/payment_intents', { method: 'POST', headers, body });
    expect((await errorOf(response)).code).toBe('parameter_unknown');
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });
});

describe('lists', () => {
  test('are newest first, in pages both ways', async () => {
    const ids: string[] = [];
    for (let made = 0; made < 5; made++) ids.unshift((await kit.createIntent()).id);
    const idsOf = (page: Stripe.ApiList<{ id: string }>) => page.data.map((each) => each.id);

    const first = await kit.stripe.paymentIntents.list({ limit: 2 });
    expect([idsOf(first), first.has_more]).toEqual([ids.slice(0, 2), true]);
    const last = await kit.stripe.paymentIntents.list({ limit: 3, starting_after: ids[1] ?? '' });
    expect([idsOf(last), last.has_more]).toEqual([ids.slice(2), false]);
    const back = await kit.stripe.paymentIntents.list({ limit: 2, ending_before: ids[3] ?? '' });
    expect([idsOf(back), back.has_more]).toEqual([ids.slice(1, 3), true]);
    expect(await kit.stripe.paymentIntents.list({ limit: 1 }).autoPagingToArray({ limit: 100 })).toHaveLength(
      5,
    );

    expect((await failureOf(kit.stripe.paymentIntents.list({ limit: 101 }))).code).toBe(
      'parameter_invalid_integer',
    );
    const unknown = await failureOf(kit.stripe.paymentIntents.list({ starting_after: 'pi_none' }));
    expect(unknown.param).toBe('starting_after');
  });

  test('filter by time and customer', async () => {
    const intent = await kit.createIntent({ customer: 'cus_1' });
    await kit.createIntent();
    const list = (params: Stripe.PaymentIntentListParams) =>
      kit.stripe.paymentIntents.list(params).then((page) => page.data.length);
    const { created } = intent;
    expect(await list({ created: { gte: created } })).toBe(2);
    expect(await list({ created: { gt: created + 100 } })).toBe(0);
    expect(await list({ created: { gte: created + 100 } })).toBe(0);
    expect(await list({ created: created + 100 })).toBe(0);
    expect(await list({ created: { lt: created } })).toBe(0);
    expect(await list({ created: { lte: created + 100 } })).toBe(2);
    expect(await list({ customer: 'cus_1' })).toBe(1);
  });

  test('events can be listed by type and tell whether they were delivered', async () => {
    const { id } = await kit.createIntent();
    await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' });
    const types = async (params: Stripe.EventListParams) =>
      (await kit.stripe.events.list(params)).data.map((event) => event.type);
    expect(await types({})).toEqual([
      'payment_intent.succeeded',
      'charge.succeeded',
      'payment_intent.created',
    ]);
    expect(await types({ type: 'payment_intent.*' })).toEqual([
      'payment_intent.succeeded',
      'payment_intent.created',
    ]);
    expect(await types({ types: ['charge.succeeded'] })).toEqual(['charge.succeeded']);
    expect(await types({ delivery_success: true })).toEqual([]);
    const [event] = (await kit.stripe.events.list({ type: 'payment_intent.succeeded' })).data;
    expect(event).toMatchObject({
      object: 'event',
      api_version: '2026-10-28.endive',
      livemode: false,
      pending_webhooks: 1,
      data: { object: { id, status: 'succeeded' } },
    });
    expect(event?.request?.id).toMatch(/^req_/);
    expect(event?.request?.idempotency_key).toMatch(/^stripe-node-retry-/);
    expect(await kit.stripe.events.retrieve(event?.id ?? '')).toMatchObject({
      id: event?.id,
      pending_webhooks: 1,
    });
  });

  test('expand replaces ids, also in the rows of a list', async () => {
    const { id } = await kit.createIntent();
    await kit.control.pay(id);
    await kit.stripe.refunds.create({ payment_intent: id });
    const refunds = await kit.stripe.refunds.list({ expand: ['data.charge.payment_intent'] });
    expect(refunds.data[0]?.charge).toMatchObject({
      object: 'charge',
      payment_intent: { id, object: 'payment_intent' },
    });
    const error = await failureOf(kit.stripe.paymentIntents.retrieve(id, { expand: ['colour'] }));
    expect(error.message).toBe('This property cannot be expanded (colour).');
  });
});
