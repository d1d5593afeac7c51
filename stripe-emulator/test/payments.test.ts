import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientOf, failureOf, idOf, startKit, type Kit } from './kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
afterAll(() => kit.stop());

/** A create with parameters that the types forbid. */
const createOdd = (params: object) =>
  kit.stripe.paymentIntents.create(params as Stripe.PaymentIntentCreateParams);
const futureYear = new Date().getUTCFullYear() + 1;
const typedCard = (card: object) =>
  ({
    payment_method_data: {
      type: 'card',
      card: { number: '4242424242424242', exp_month: 12, exp_year: futureYear, cvc: '123', ...card },
    },
  }) as unknown as Stripe.PaymentIntentConfirmParams;

describe('creating a PaymentIntent', () => {
  test('answers with the object as Stripe documents it', async () => {
    const intent = await kit.createIntent({
      amount: 1234,
      currency: 'EUR',
      description: 'Room 7',
      receipt_email: 'guest@example.com',
      metadata: { booking_ref: 'b-1', empty: '' },
    });
    expect(intent).toMatchObject({
      object: 'payment_intent',
      amount: 1234,
      currency: 'eur',
      status: 'requires_payment_method',
      metadata: { booking_ref: 'b-1' },
      description: 'Room 7',
      receipt_email: 'guest@example.com',
      amount_received: 0,
      latest_charge: null,
      last_payment_error: null,
      next_action: null,
      canceled_at: null,
      livemode: false,
      capture_method: 'automatic_async',
      automatic_payment_methods: { enabled: true, allow_redirects: 'always' },
      payment_method_types: ['card'],
    });
    expect(intent.metadata).toEqual({ booking_ref: 'b-1' });
    expect(intent.id).toMatch(/^pi_[0-9A-Za-z]{24}$/);
    expect(intent.client_secret).toMatch(new RegExp(`^${intent.id}_secret_[0-9A-Za-z]{25}$`));
    expect(Math.abs(intent.created - Date.now() / 1000)).toBeLessThan(5);
    expect(intent.lastResponse.requestId).toMatch(/^req_/);
    expect(await kit.stripe.paymentIntents.retrieve(intent.id)).toEqual(intent);
  });

  test.each([
    ['no amount', { currency: 'eur' }, 'parameter_missing', 'amount'],
    ['no currency', { amount: 100 }, 'parameter_missing', 'currency'],
    ['a fraction', { amount: 10.5, currency: 'eur' }, 'parameter_invalid_integer', 'amount'],
    ['zero', { amount: 0, currency: 'eur' }, 'parameter_invalid_integer', 'amount'],
    ['a negative amount', { amount: -5, currency: 'eur' }, 'parameter_invalid_integer', 'amount'],
    ['an empty amount', { amount: '', currency: 'eur' }, 'parameter_invalid_empty', 'amount'],
    ['49 cents', { amount: 49, currency: 'eur' }, 'amount_too_small', 'amount'],
    ['a nine-digit amount', { amount: 100_000_000, currency: 'eur' }, 'amount_too_large', 'amount'],
    ['an unknown currency', { amount: 100, currency: 'zzz' }, undefined, 'currency'],
    [
      'an unknown parameter',
      { amount: 100, currency: 'eur', status: 'succeeded' },
      'parameter_unknown',
      'status',
    ],
    [
      'an unknown nested parameter',
      { amount: 100, currency: 'eur', automatic_payment_methods: { enabled: true, colour: 'red' } },
      'parameter_unknown',
      'automatic_payment_methods[colour]',
    ],
    [
      'a bad e-mail',
      { amount: 100, currency: 'eur', receipt_email: 'nobody' },
      'email_invalid',
      'receipt_email',
    ],
    [
      'a bad capture method',
      { amount: 100, currency: 'eur', capture_method: 'later' },
      undefined,
      'capture_method',
    ],
    [
      'long metadata',
      { amount: 100, currency: 'eur', metadata: { a: 'x'.repeat(501) } },
      undefined,
      'metadata[a]',
    ],
    [
      'a parameter the emulator lacks',
      { amount: 100, currency: 'eur', transfer_group: 'g' },
      'emulator_unsupported_parameter',
      'transfer_group',
    ],
    [
      'an unknown PaymentMethod',
      { amount: 100, currency: 'eur', payment_method: 'pm_no' },
      'resource_missing',
      'payment_method',
    ],
  ])('%s is a 400', async (_name, params, code, param) => {
    const error = await failureOf(createOdd(params));
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect({ status: error.statusCode, code: error.code, param: error.param }).toEqual({
      status: 400,
      code,
      param,
    });
    expect(error.requestId).toMatch(/^req_/);
  });

  test('50 cents and 50 yen are enough', async () => {
    expect((await kit.createIntent({ amount: 50 })).amount).toBe(50);
    expect((await kit.createIntent({ amount: 50, currency: 'jpy' })).currency).toBe('jpy');
  });

  test('payment_method_types is refused since version 2026-09-30 and taken before', async () => {
    const params = { amount: 100, currency: 'eur', payment_method_types: ['card'] };
    expect((await failureOf(createOdd(params))).code).toBe('payment_method_types_no_longer_supported');
    const older = clientOf(kit.emulator, { apiVersion: '2025-08-27.basil' as '2026-10-28.endive' });
    const intent = await older.paymentIntents.create(params);
    expect(intent).toMatchObject({ payment_method_types: ['card'], automatic_payment_methods: null });
  });

  test('allowed_payment_method_types and automatic_payment_methods exclude each other', async () => {
    const error = await failureOf(kit.createIntent({ allowed_payment_method_types: ['card'] }));
    expect(error.code).toBe('parameters_exclusive');
    const intent = await createOdd({
      amount: 100,
      currency: 'eur',
      allowed_payment_method_types: ['card', 'ideal'],
    });
    expect(intent).toMatchObject({
      allowed_payment_method_types: ['card', 'ideal'],
      payment_method_types: ['card'],
      automatic_payment_methods: null,
    });
  });
});

describe('confirming', () => {
  test.each(['pm_card_visa', 'pm_card_mastercard'])('%s succeeds', async (name) => {
    const { id } = await kit.createIntent();
    const intent = await kit.stripe.paymentIntents.confirm(id, {
      payment_method: name,
      expand: ['latest_charge'],
    });
    expect(intent).toMatchObject({ status: 'succeeded', amount_received: 5000, last_payment_error: null });
    expect(intent.payment_method).toMatch(/^pm_1/);
    expect(intent.latest_charge).toMatchObject({
      object: 'charge',
      status: 'succeeded',
      paid: true,
      captured: true,
      amount: 5000,
      amount_captured: 5000,
      payment_intent: id,
    });
  });

  test('create with confirm pays in one request, and a typed card works', async () => {
    const intent = await createOdd({ amount: 700, currency: 'eur', confirm: true, ...typedCard({}) });
    expect(intent).toMatchObject({ status: 'succeeded', amount_received: 700 });
  });

  test.each([
    ['4000000000000002', 'pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline'],
    ['4000000000000002', 'pm_card_chargeDeclined', 'card_declined', 'generic_decline'],
    [
      '4000000000009995',
      'pm_card_visa_chargeDeclinedInsufficientFunds',
      'card_declined',
      'insufficient_funds',
    ],
    ['4000000000009995', 'pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['4000000000000069', 'pm_card_chargeDeclinedExpiredCard', 'expired_card', undefined],
    ['4000000000000127', 'pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', undefined],
    ['4111111111111111', undefined, 'card_declined', 'test_mode_live_card'],
  ])(
    '%s (%s) is declined with %s %s and leaves the PaymentIntent payable',
    async (number, name, code, declineCode) => {
      for (const card of name ? [{ payment_method: name }, typedCard({ number })] : [typedCard({ number })]) {
        const { id } = await kit.createIntent();
        const error = await failureOf(kit.stripe.paymentIntents.confirm(id, card));
        expect(error).toBeInstanceOf(Stripe.errors.StripeCardError);
        expect({
          status: error.statusCode,
          code: error.code,
          declineCode: error.decline_code || undefined,
        }).toEqual({
          status: 402,
          code,
          declineCode,
        });
        expect(error.payment_intent).toMatchObject({ id, status: 'requires_payment_method' });
        const intent = await kit.stripe.paymentIntents.retrieve(id);
        expect(intent).toMatchObject({
          status: 'requires_payment_method',
          payment_method: null,
          amount_received: 0,
        });
        expect(intent.last_payment_error).toMatchObject({
          type: 'card_error',
          code,
          charge: intent.latest_charge,
        });
        expect(await kit.stripe.charges.retrieve(idOf(intent.latest_charge))).toMatchObject({
          status: 'failed',
          paid: false,
          failure_code: code,
        });

        const paid = await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' });
        expect(paid).toMatchObject({ status: 'succeeded', last_payment_error: null });
      }
    },
  );

  test.each([
    ['a wrong check digit', { number: '4242424242424241' }, 'incorrect_number'],
    ['month 13', { exp_month: 13 }, 'invalid_expiry_month'],
    ['last year', { exp_year: new Date().getUTCFullYear() - 1 }, 'invalid_expiry_year'],
    ['a cvc of two digits', { cvc: '12' }, 'invalid_cvc'],
  ])('%s is refused before anything is charged', async (_name, card, code) => {
    const { id } = await kit.createIntent();
    const error = await failureOf(kit.stripe.paymentIntents.confirm(id, typedCard(card)));
    expect({ status: error.statusCode, code: error.code }).toEqual({ status: 402, code });
    const intent = await kit.stripe.paymentIntents.retrieve(id);
    expect(intent).toMatchObject({
      status: 'requires_payment_method',
      latest_charge: null,
      last_payment_error: null,
    });
  });

  test('without a payment method it is an unexpected state', async () => {
    const { id } = await kit.createIntent();
    const error = await failureOf(kit.stripe.paymentIntents.confirm(id));
    expect({ status: error.statusCode, code: error.code }).toEqual({
      status: 400,
      code: 'payment_intent_unexpected_state',
    });
    expect(error.message).toContain('missing a payment method');
  });

  test('a paid one cannot be paid, cancelled or made dearer', async () => {
    const { id } = await kit.createIntent();
    await kit.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' });
    const intents = kit.stripe.paymentIntents;
    for (const attempt of [
      intents.confirm(id, { payment_method: 'pm_card_visa' }),
      intents.cancel(id),
      intents.update(id, { amount: 9900 }),
      intents.capture(id),
    ]) {
      const error = await failureOf(attempt);
      expect(error.code).toBe('payment_intent_unexpected_state');
      expect(error.payment_intent).toMatchObject({ id, status: 'succeeded' });
    }
    expect(await intents.retrieve(id)).toMatchObject({
      status: 'succeeded',
      amount: 5000,
      amount_received: 5000,
    });
  });

  test('an off-session payment that needs the customer is declined', async () => {
    const params = { amount: 900, currency: 'eur', confirm: true, off_session: true };
    const error = await failureOf(createOdd({ ...params, payment_method: 'pm_card_authenticationRequired' }));
    expect({ status: error.statusCode, code: error.code }).toEqual({
      status: 402,
      code: 'authentication_required',
    });
    expect(error.payment_intent?.status).toBe('requires_payment_method');
  });
});
