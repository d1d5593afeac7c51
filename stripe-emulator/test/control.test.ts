import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectStripeControl } from '../src/index.ts';
import { failureOf, startKit, type Kit } from './kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
beforeEach(() => kit.control.reset());
afterAll(() => kit.stop());

test('the ledger tells charges, refunds and totals', async () => {
  const paid = await kit.createIntent({ metadata: { booking_ref: 'paid' } });
  const dead = await kit.createIntent({ metadata: { booking_ref: 'dead' } });
  await kit.control.pay(paid.id);
  await kit.stripe.paymentIntents.cancel(dead.id);
  const refund = await kit.stripe.refunds.create({ payment_intent: paid.id, amount: 2000 });
  const failed = await kit.stripe.refunds.create({ payment_intent: paid.id, amount: 500 });
  await kit.control.failRefund(failed.id);

  const ledger = await kit.control.ledger();
  expect(ledger.paymentIntents[0]).toMatchObject({
    id: paid.id,
    status: 'succeeded',
    amount: 5000,
    currency: 'eur',
    metadata: { booking_ref: 'paid' },
    chargedMinor: 5000,
    refundedMinor: 2000,
    refunds: [
      { id: refund.id, amount: 2000, status: 'succeeded' },
      { id: failed.id, amount: 500, status: 'failed' },
    ],
    canceledAt: null,
    disputed: false,
  });
  expect(Math.abs((ledger.paymentIntents[0]?.succeededAt ?? 0) - Date.now())).toBeLessThan(5000);
  expect(ledger.paymentIntents[1]).toMatchObject({ id: dead.id, chargedMinor: 0, succeededAt: null });
  expect(ledger.paymentIntents[1]?.canceledAt).toBeTypeOf('number');
  expect(ledger.totals).toMatchObject({
    paymentIntents: 2,
    byStatus: { succeeded: 1, canceled: 1 },
    chargedMinor: 5000,
    refundedMinor: 2000,
    refunds: 2,
  });
});

test('ST-18 payOnCancel: the next cancel finds it paid, once', async () => {
  const { id } = await kit.createIntent();
  await kit.control.payOnCancel(id);
  const startMs = Date.now();
  const error = await failureOf(kit.stripe.paymentIntents.cancel(id));
  expect(error.code).toBe('payment_intent_unexpected_state');
  expect(error.payment_intent).toMatchObject({ id, status: 'succeeded', amount_received: 5000 });
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(48);
  const types = (await kit.stripe.events.list()).data.map((event) => event.type);
  expect(types.filter((type) => type === 'payment_intent.succeeded')).toHaveLength(1);
  expect((await kit.control.ledger()).totals.chargedMinor).toBe(5000);
  await failureOf(kit.stripe.paymentIntents.cancel(id));
  expect((await kit.control.ledger()).totals.chargedMinor).toBe(5000);
});

test('setPaymentIntent makes odd states without an event', async () => {
  const { id } = await kit.createIntent();
  const before = (await kit.control.ledger()).totals.events;
  await kit.control.setPaymentIntent(id, {
    amount: 4999,
    currency: 'usd',
    livemode: true,
    metadata: { booking_ref: 'x' },
  });
  expect(await kit.stripe.paymentIntents.retrieve(id)).toMatchObject({
    amount: 4999,
    currency: 'usd',
    livemode: true,
    metadata: { booking_ref: 'x' },
  });
  expect((await kit.control.ledger()).totals.events).toBe(before);
  await expect(kit.control.setPaymentIntent('pi_none', {})).rejects.toThrow('No such payment_intent');
});

test('pay passes a challenge, throws a decline and does not pay twice', async () => {
  const { id } = await kit.createIntent();
  await expect(kit.control.pay(id, 'pm_card_chargeDeclined')).rejects.toThrow('Your card was declined.');
  expect((await kit.control.pay(id, 'pm_card_authenticationRequired')).status).toBe('succeeded');
  await expect(kit.control.pay(id)).rejects.toThrow('already succeeded');
  expect((await kit.control.ledger()).totals.chargedMinor).toBe(5000);
});

test('pm_card_createDispute is paid and disputed', async () => {
  const { id } = await kit.createIntent();
  await kit.control.pay(id, 'pm_card_createDispute');
  expect((await kit.control.ledger()).paymentIntents[0]).toMatchObject({
    id,
    status: 'succeeded',
    disputed: true,
  });
});

test('reset forgets state, keys, faults and latency', async () => {
  await kit.stripe.paymentIntents.create({ amount: 100, currency: 'eur' }, { idempotencyKey: 'key-1' });
  await kit.control.failNext({ kind: '503', count: 9 });
  await kit.control.setLatency(3000);
  await kit.control.reset();
  expect((await kit.stripe.events.list()).data).toEqual([]);
  const fresh = await kit.stripe.paymentIntents.create(
    { amount: 200, currency: 'eur' },
    { idempotencyKey: 'key-1' },
  );
  expect(fresh.amount).toBe(200);
});

describe('from another process', () => {
  test('the control is the same over HTTP', async () => {
    const { url, settings } = kit.emulator;
    const control = connectStripeControl(url, settings.STRIPE_SECRET_KEY);
    const { id } = await kit.createIntent();
    expect(await control.pay(id)).toMatchObject({ id, status: 'succeeded' });
    expect(await control.ledger()).toEqual(await kit.control.ledger());
    expect(await control.setWebhookBehaviour({ duplicate: 3 })).toMatchObject({
      duplicate: 3,
      concurrency: 8,
    });
    await control.failNext({ kind: '503', match: { path: '/v1/refunds$' } });
    expect((await failureOf(kit.stripe.refunds.create({ payment_intent: id }))).statusCode).toBe(503);
    await expect(control.pay(id, 'pm_card_visa')).rejects.toThrow('already succeeded');
    await expect(control.payOnCancel('pi_none')).rejects.toThrow('No such payment_intent');
    const awaited = await Promise.resolve(control);
    expect(await awaited.undelivered()).not.toEqual([]);
  });

  test('it needs the secret key, and knows its methods only', async () => {
    const { url, settings } = kit.emulator;
    await expect(connectStripeControl(url, settings.STRIPE_PUBLISHABLE_KEY).ledger()).rejects.toThrow(
      'needs the secret key',
    );
    const unknown = await fetch(`${url}/_emulator/toString`, {
      method: 'POST',
      headers: { authorization: `Bearer ${settings.STRIPE_SECRET_KEY}` },
    });
    expect(unknown.status).toBe(404);
    expect(await (await fetch(`${url}/_emulator/health`)).json()).toEqual({ status: 'ok' });
  });
});
