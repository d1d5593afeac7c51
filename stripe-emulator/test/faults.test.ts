import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clientOf, failureOf, startKit, type Kit } from './kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
beforeEach(() => kit.control.reset());
afterAll(() => kit.stop());

const plainParams = { amount: 5000, currency: 'eur', metadata: { booking_ref: 'b-1' } };
const create = (idempotencyKey: string, params: object = plainParams) =>
  kit.stripe.paymentIntents.create(params as Stripe.PaymentIntentCreateParams, { idempotencyKey });
const intentCount = async () => (await kit.control.ledger()).totals.paymentIntents;

describe('Idempotency-Key', () => {
  test('ST-15 the same key and parameters give the same PaymentIntent, marked as replayed', async () => {
    const first = await create('key-1');
    const second = await create('key-1', { metadata: plainParams.metadata, currency: 'eur', amount: 5000 });
    expect(second).toEqual(first);
    expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined();
    expect(second.lastResponse.headers).toMatchObject({
      'idempotent-replayed': 'true',
      'idempotency-key': 'key-1',
      'original-request': first.lastResponse.requestId,
    });
    expect(second.lastResponse.requestId).not.toBe(first.lastResponse.requestId);
    expect(await intentCount()).toBe(1);
  });

  test('a replay tells the old state, not the present one', async () => {
    const first = await create('key-1');
    await kit.stripe.paymentIntents.cancel(first.id);
    expect((await create('key-1')).status).toBe('requires_payment_method');
    expect((await kit.stripe.paymentIntents.retrieve(first.id)).status).toBe('canceled');
  });

  test('other parameters or another endpoint under the same key are an idempotency_error', async () => {
    const { id } = await create('key-1');
    const other = await failureOf(create('key-1', { ...plainParams, amount: 5001 }));
    expect(other).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect(other.statusCode).toBe(400);
    const elsewhere = await failureOf(kit.stripe.paymentIntents.cancel(id, {}, { idempotencyKey: 'key-1' }));
    expect(elsewhere).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect(elsewhere.message).toContain('same endpoint');
    expect((await kit.stripe.paymentIntents.retrieve(id)).status).toBe('requires_payment_method');
  });

  test('a decline is saved: the key answers with it even when the card would now pass', async () => {
    const { id } = await create('key-1');
    const confirm = () =>
      kit.stripe.paymentIntents.confirm(
        id,
        { payment_method: 'pm_card_chargeDeclined' },
        { idempotencyKey: 'key-2' },
      );
    const first = await failureOf(confirm());
    const second = await failureOf(confirm());
    expect(second.raw).toMatchObject({ charge: first.charge, code: 'card_declined' });
    expect(second.headers?.['idempotent-replayed']).toBe('true');
    expect((await kit.stripe.events.list({ type: 'payment_intent.payment_failed' })).data).toHaveLength(1);
  });

  test('a saved 400 of a cancel replays although the PaymentIntent could be cancelled by now', async () => {
    const { id } = await create('key-1');
    await kit.control.startProcessing(id);
    const cancel = (idempotencyKey: string) => kit.stripe.paymentIntents.cancel(id, {}, { idempotencyKey });
    expect((await failureOf(cancel('key-2'))).code).toBe('payment_intent_unexpected_state');
    await kit.control.settleProcessing(id, 'failed');
    expect((await failureOf(cancel('key-2'))).code).toBe('payment_intent_unexpected_state');
    expect((await cancel('key-3')).status).toBe('canceled');
  });

  test('a validation error and a wrong key are not saved: the key stays free', async () => {
    expect((await failureOf(create('key-1', { ...plainParams, amount: 1 }))).code).toBe('amount_too_small');
    const { hostname, port } = new URL(kit.emulator.url);
    const stranger = new Stripe('sk_test_wrong', {
      host: hostname,
      port,
      protocol: 'http',
      maxNetworkRetries: 0,
    });
    await failureOf(stranger.paymentIntents.create(plainParams, { idempotencyKey: 'key-1' }));
    expect((await create('key-1')).amount).toBe(5000);
  });

  test('a key in use is a 409, which the client retries by itself when it may', async () => {
    await kit.control.setLatency(150);
    const first = create('key-1');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const error = await failureOf(create('key-1'));
    expect({ status: error.statusCode, code: error.code }).toEqual({
      status: 409,
      code: 'idempotency_key_in_use',
    });
    const patient = clientOf(kit.emulator, { maxNetworkRetries: 2 });
    const retried = await patient.paymentIntents.create(plainParams, { idempotencyKey: 'key-1' });
    expect(retried.id).toBe((await first).id);
    expect(await intentCount()).toBe(1);
  });

  test('twenty at once make one PaymentIntent', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => create('key-1')));
    const ids = new Set(outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value.id] : [])));
    expect(ids.size).toBe(1);
    expect(await intentCount()).toBe(1);
  });

  test('a key of more than 255 characters is refused', async () => {
    expect((await failureOf(create('k'.repeat(256)))).statusCode).toBe(400);
    expect(await intentCount()).toBe(0);
  });
});

describe('failNext', () => {
  test('503 has no effect and is not saved', async () => {
    await kit.control.failNext({ kind: '503' });
    const error = await failureOf(create('key-1'));
    expect(error).toBeInstanceOf(Stripe.errors.StripeAPIError);
    expect(error.statusCode).toBe(503);
    expect(await intentCount()).toBe(0);
    expect((await create('key-1')).amount).toBe(5000);
  });

  test('429 is a rate limit that asks for a retry', async () => {
    await kit.control.failNext({ kind: '429' });
    const error = await failureOf(create('key-1'));
    expect(error).toBeInstanceOf(Stripe.errors.StripeRateLimitError);
    expect(error.headers?.['stripe-should-retry']).toBe('true');
  });

  test('401 and 403 refuse the key, without effect', async () => {
    await kit.control.failNext({ kind: '401' });
    expect(await failureOf(create('key-1'))).toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
    await kit.control.failNext({ kind: '403' });
    expect(await failureOf(create('key-1'))).toBeInstanceOf(Stripe.errors.StripePermissionError);
    expect(await intentCount()).toBe(0);
    expect((await create('key-1')).amount).toBe(5000);
  });

  test('500 is saved and replays for ever; another key is a new request', async () => {
    await kit.control.failNext({ kind: '500' });
    expect((await failureOf(create('key-1'))).statusCode).toBe(500);
    const replay = await failureOf(create('key-1'));
    expect(replay.statusCode).toBe(500);
    expect(replay.headers?.['idempotent-replayed']).toBe('true');
    expect(await intentCount()).toBe(0);
    await create('key-2');
    expect(await intentCount()).toBe(1);
  });

  test('500_after_effect leaves the effect behind a saved 500', async () => {
    await kit.control.failNext({ kind: '500_after_effect' });
    expect((await failureOf(create('key-1'))).statusCode).toBe(500);
    expect((await failureOf(create('key-1'))).statusCode).toBe(500);
    expect(await intentCount()).toBe(1);
  });

  test('drop_before breaks the connection without effect', async () => {
    // The client repeats a broken connection once by itself, so two have to break.
    await kit.control.failNext({ kind: 'drop_before', count: 2 });
    expect(await failureOf(create('key-1'))).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(await intentCount()).toBe(0);
  });

  test('ST-15 drop_after_effect commits, then breaks: the same key finds the one PaymentIntent', async () => {
    await kit.control.failNext({ kind: 'drop_after_effect', count: 2 });
    expect(await failureOf(create('key-1'))).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(await intentCount()).toBe(1);
    const replay = await create('key-1');
    expect(replay.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(await intentCount()).toBe(1);
  });

  test.each([
    ['timeout', 0],
    ['timeout_after_effect', 1],
  ] as const)('%s never answers, with %i effect', async (kind, effects) => {
    await kit.control.failNext({ kind });
    const hasty = clientOf(kit.emulator, { timeout: 100 });
    expect(await failureOf(hasty.paymentIntents.create(plainParams))).toBeInstanceOf(
      Stripe.errors.StripeConnectionError,
    );
    expect(await intentCount()).toBe(effects);
  });

  test('strikes only what matches, as often as told', async () => {
    const { id } = await create('key-1');
    await kit.control.failNext({ kind: '503', count: 2, match: { method: 'POST', path: '/cancel$' } });
    expect((await kit.stripe.paymentIntents.retrieve(id)).id).toBe(id);
    expect((await kit.stripe.paymentIntents.update(id, { amount: 6000 })).amount).toBe(6000);
    expect((await failureOf(kit.stripe.paymentIntents.cancel(id))).statusCode).toBe(503);
    expect((await failureOf(kit.stripe.paymentIntents.cancel(id))).statusCode).toBe(503);
    expect((await kit.stripe.paymentIntents.cancel(id)).status).toBe('canceled');
  });

  test('strikes by chance, and not after clearFaults', async () => {
    await kit.control.failNext({ kind: '503', count: 1000, probability: 0.5 });
    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => kit.createIntent()));
    const failed = outcomes.filter((each) => each.status === 'rejected').length;
    expect(failed).toBeGreaterThan(5);
    expect(failed).toBeLessThan(55);
    await kit.control.clearFaults();
    expect((await kit.createIntent()).amount).toBe(5000);
  });

  test('setLatency slows every request', async () => {
    await kit.control.setLatency(80);
    const startMs = Date.now();
    await kit.createIntent();
    expect(Date.now() - startMs).toBeGreaterThanOrEqual(78);
  });

  test('an unknown kind is refused', async () => {
    await expect(kit.control.failNext({ kind: '418' as '503' })).rejects.toThrow('Unknown kind of fault');
  });
});
