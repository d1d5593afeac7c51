import { checkChargeAmount } from './currencies.ts';
import { missingParameter, resourceMissing } from './errors.ts';
import { eventRoutes } from './event-routes.ts';
import type { World } from './events.ts';
import { listShape, pageOf } from './lists.ts';
import { integer, listOf, metadata, oneOf, readParams, required, text } from './params.ts';
import {
  readCancel,
  readCapture,
  readConfirm,
  readCreate,
  readList,
  readRetrieve,
  readUpdate,
} from './payment-intent-params.ts';
import { cancelPaymentIntent, capturePaymentIntent } from './payment-intent-endings.ts';
import {
  confirmPaymentIntent,
  createPaymentIntent,
  findPaymentIntent,
  updatePaymentIntent,
} from './payment-intents.ts';
import { createRefund, updateRefund } from './refunds.ts';
import type { Route } from './route.ts';
import type { Table } from './tables.ts';

const expand = listOf(text());

const paymentIntentRoutes: Route[] = [
  {
    method: 'POST',
    pattern: /^\/v1\/payment_intents$/,
    prepare(form, version) {
      const params = readCreate(form, version);
      const amount = required(params.amount, 'amount');
      const currency = required(params.currency, 'currency');
      checkChargeAmount(amount, currency);
      return (world, cause) => createPaymentIntent(world, { ...params, amount, currency }, cause);
    },
  },
  {
    method: 'GET',
    pattern: /^\/v1\/payment_intents$/,
    prepare(form) {
      const params = readList(form);
      return (world) =>
        pageOf(
          world.tables.paymentIntents.list(),
          params,
          '/v1/payment_intents',
          'payment_intent',
          (intent) => params.customer == null || intent.customer === params.customer,
        );
    },
  },
  {
    method: 'GET',
    pattern: /^\/v1\/payment_intents\/([^/]+)$/,
    isPublishable: true,
    prepare(form) {
      readRetrieve(form);
      return (world, _cause, id) => findPaymentIntent(world, id);
    },
  },
  {
    method: 'POST',
    pattern: /^\/v1\/payment_intents\/([^/]+)$/,
    prepare(form, version) {
      const params = readUpdate(form, version);
      return (world, _cause, id) => updatePaymentIntent(world, findPaymentIntent(world, id), params);
    },
  },
  {
    method: 'POST',
    pattern: /^\/v1\/payment_intents\/([^/]+)\/confirm$/,
    isPublishable: true,
    prepare(form, version) {
      const params = readConfirm(form, version);
      return (world, cause, id) => confirmPaymentIntent(world, findPaymentIntent(world, id), params, cause);
    },
  },
  {
    method: 'POST',
    pattern: /^\/v1\/payment_intents\/([^/]+)\/cancel$/,
    prepare(form) {
      const params = readCancel(form);
      return (world, cause, id) => cancelPaymentIntent(world, findPaymentIntent(world, id), params, cause);
    },
  },
  {
    method: 'POST',
    pattern: /^\/v1\/payment_intents\/([^/]+)\/capture$/,
    prepare(form) {
      const params = readCapture(form);
      return (world, cause, id) => capturePaymentIntent(world, findPaymentIntent(world, id), params, cause);
    },
  },
];

const refundRoutes: Route[] = [
  {
    method: 'POST',
    pattern: /^\/v1\/refunds$/,
    prepare(form) {
      const params = readParams(form, {
        amount: integer(1),
        charge: text(),
        expand,
        metadata,
        payment_intent: text(),
        reason: oneOf(['duplicate', 'fraudulent', 'requested_by_customer']),
      });
      if (!params.charge && !params.payment_intent) throw missingParameter('charge');
      return (world, cause) => createRefund(world, params, cause);
    },
  },
  {
    method: 'GET',
    pattern: /^\/v1\/refunds$/,
    prepare(form) {
      const params = readParams(form, { ...listShape, charge: text(), payment_intent: text() });
      return (world) =>
        pageOf(
          world.tables.refunds.list(),
          params,
          '/v1/refunds',
          'refund',
          (refund) =>
            (params.charge == null || refund.charge === params.charge) &&
            (params.payment_intent == null || refund.payment_intent === params.payment_intent),
        );
    },
  },
  retrieve('refunds', 'refund', (world) => world.tables.refunds),
  {
    method: 'POST',
    pattern: /^\/v1\/refunds\/([^/]+)$/,
    prepare(form) {
      const params = readParams(form, { expand, metadata });
      return (world, cause, id) => {
        const refund = world.tables.refunds.get(id);
        if (!refund) throw resourceMissing('refund', id, 'id');
        return updateRefund(world, refund, params.metadata, cause);
      };
    },
  },
];

const account = {
  id: 'acct_1EmulatorAccount',
  object: 'account',
  business_profile: { name: 'Stripe emulator' },
  charges_enabled: true,
  country: 'US',
  created: 1_700_000_000,
  default_currency: 'usd',
  details_submitted: true,
  email: null,
  payouts_enabled: true,
  type: 'standard',
};

export const routes: readonly Route[] = [
  ...paymentIntentRoutes,
  ...refundRoutes,
  ...eventRoutes,
  retrieve('charges', 'charge', (world) => world.tables.charges),
  retrieve('payment_methods', 'PaymentMethod', (world) => world.tables.paymentMethods),
  retrieve('disputes', 'dispute', (world) => world.tables.disputes),
  { method: 'GET', pattern: /^\/v1\/accounts?$/, prepare: () => () => account },
];

function retrieve(
  plural: string,
  noun: string,
  tableOf: (world: World) => Pick<Table<{ id: string }>, 'get'>,
): Route {
  return {
    method: 'GET',
    pattern: new RegExp(`^/v1/${plural}/([^/]+)$`),
    prepare(form) {
      readParams(form, { expand });
      return (world, _cause, id) => {
        const found = tableOf(world).get(id);
        if (!found) throw resourceMissing(noun, id, 'id');
        return found;
      };
    },
  };
}
