import {
  invalidRequest,
  serverFailure,
  StripeFailure,
  unauthorized,
  unsupportedParameter,
} from './errors.ts';
import { apiVersion, type World } from './events.ts';
import { expandObject } from './expand.ts';
import type { Faults } from './faults.ts';
import { parseForm, type Form } from './form.ts';
import { createIdempotency, fingerprintOfParams } from './idempotency.ts';
import { newId } from './ids.ts';
import { checkClientSecret, publicFailure, publicView } from './publishable.ts';
import { findPaymentIntent } from './payment-intents.ts';
import type { Route } from './route.ts';
import { routes } from './routes.ts';
import type { Cause, PaymentIntent } from './types.ts';

export interface ApiRequest {
  method: string;
  path: string;
  query: string;
  body: string;
  /** Lower-case names; only the first value of each matters. */
  headers: Record<string, string | string[] | undefined>;
}

interface ApiAnswer {
  status: number;
  body: string;
  headers: Record<string, string>;
}

interface ApiDeps {
  world: World;
  faults: Faults;
  keys: { secret: string; publishable: string };
  /** Waits as long as the control asked for, while the request counts as running. */
  pause(): Promise<void>;
  /** Gives a cancel its race: pays the PaymentIntent first when the control asked for that. */
  beforeCancel(paymentIntentId: string): Promise<void>;
  log: (line: string) => void;
}

type KeyKind = 'secret' | 'publishable';

/** The public API: one request in, one answer out, after its effects are safe in the journal. */
export function createApi(deps: ApiDeps) {
  const { world } = deps;
  const idempotency = createIdempotency(world.tables.answers);

  async function answer(request: ApiRequest): Promise<ApiAnswer> {
    const requestId = newId('req');
    const headers: Record<string, string> = { 'request-id': requestId };
    const key = request.method === 'POST' ? headerOf(request, 'idempotency-key') : undefined;
    if (key) headers['idempotency-key'] = key;
    headers['stripe-version'] = headerOf(request, 'stripe-version') ?? apiVersion;
    try {
      const { route, id, form, keyKind } = admit(request, deps.keys);
      const version = headers['stripe-version'];
      const cause: Cause = { id: requestId, idempotency_key: key ?? null };
      const saved = key ? idempotency.begin(key, request.path, form) : undefined;
      if (saved) {
        headers['idempotent-replayed'] = 'true';
        headers['original-request'] = saved.requestId;
        return { status: saved.status, body: saved.body, headers };
      }
      try {
        const execute = route.prepare(form, version);
        await deps.pause();
        if (route.method === 'POST' && request.path.endsWith('/cancel')) await deps.beforeCancel(id);
        const result = run(request, route, id, form, keyKind, cause, execute);
        if (key && result.isSaved) {
          idempotency.save({
            id: key,
            path: request.path,
            fingerprint: fingerprintOfParams(form),
            requestId,
            status: result.status,
            body: result.body,
            savedAtMs: Date.now(),
          });
        }
        await world.tables.commit();
        if (result.status === 500) headers['stripe-should-retry'] = 'false';
        return { status: result.status, body: result.body, headers };
      } finally {
        if (key) idempotency.end(key);
      }
    } catch (error) {
      return { ...failed(error), headers };
    }
  }

  /** Executes and turns what comes into an answer; from here on it is saved, failures included. */
  function run(
    request: ApiRequest,
    route: Route,
    id: string,
    form: Form,
    keyKind: KeyKind,
    cause: Cause,
    execute: ReturnType<Route['prepare']>,
  ): { status: number; body: string; isSaved: boolean } {
    try {
      if (keyKind === 'publishable') checkBrowser(request, id, form);
      const fault = deps.faults.strike('execution', request.method, request.path);
      if (fault === '500') throw serverFailure(500);
      const object = execute(world, cause, id);
      if (fault === '500_after_effect') throw serverFailure(500);
      const shown = keyKind === 'publishable' ? publicView(object as PaymentIntent) : object;
      const expanded = expandObject(world.tables, shown, Object.values(expandPaths(form)));
      return { status: 200, body: JSON.stringify(expanded, null, 2), isSaved: true };
    } catch (error) {
      const shown =
        keyKind === 'publishable' && error instanceof StripeFailure ? publicFailure(error) : error;
      const isSaved = !(error instanceof StripeFailure && error.body.param === 'client_secret');
      return { ...failed(shown), isSaved };
    }
  }

  function checkBrowser(request: ApiRequest, id: string, form: Form): void {
    const intent = findPaymentIntent(world, id);
    checkClientSecret(intent, form);
    if (request.method === 'POST' && intent.confirmation_method === 'manual') {
      throw invalidRequest(
        'This PaymentIntent has a confirmation_method of manual and can only be confirmed with a secret key.',
        { code: 'payment_intent_invalid_parameter' },
      );
    }
  }

  function failed(error: unknown): { status: number; body: string } {
    const failure = error instanceof StripeFailure ? error : serverFailure(500);
    if (failure !== error) {
      deps.log(`bug in the Stripe emulator: ${error instanceof Error ? error.stack : String(error)}`);
    }
    return { status: failure.status, body: JSON.stringify({ error: failure.body }, null, 2) };
  }

  return { answer };
}

export type Api = ReturnType<typeof createApi>;

/** Route, authentication and parameters of a request; what it throws was never executed. */
function admit(request: ApiRequest, keys: ApiDeps['keys']) {
  const form = readForm(request);
  const given = givenKey(request, form);
  delete form['key'];
  if (given === '') {
    throw unauthorized(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
    );
  }
  if (given !== keys.secret && given !== keys.publishable) {
    throw unauthorized(`Invalid API Key provided: ${given.slice(0, 8)}****${given.slice(-4)}`);
  }
  const found = findRoute(request);
  if (!found) {
    throw invalidRequest(
      `Unrecognized request URL (${request.method}: ${request.path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`,
      { status: 404 },
    );
  }
  const keyKind: KeyKind = given === keys.secret ? 'secret' : 'publishable';
  if (keyKind === 'publishable' && !found.route.isPublishable) {
    throw invalidRequest(
      'This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.',
      { code: 'secret_key_required', status: 403 },
    );
  }
  if (headerOf(request, 'stripe-account')) throw unsupportedParameter('Stripe-Account');
  return { ...found, form, keyKind };
}

function findRoute(request: ApiRequest): { route: Route; id: string } | undefined {
  for (const route of routes) {
    const match = route.method === request.method ? route.pattern.exec(request.path) : null;
    if (match) return { route, id: match[1] ?? '' };
  }
  return undefined;
}

function readForm(request: ApiRequest): Form {
  if (request.method !== 'POST') return parseForm(request.query);
  const type = headerOf(request, 'content-type') ?? 'application/x-www-form-urlencoded';
  if (request.body !== '' && !type.startsWith('application/x-www-form-urlencoded')) {
    throw invalidRequest(
      'Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.',
    );
  }
  return parseForm(request.body);
}

/** `Bearer sk_…`, `Basic` with the key as the user, or `key=pk_…` among the parameters as Stripe.js sends it. */
function givenKey(request: ApiRequest, form: Form): string {
  const [scheme = '', credentials = ''] = (headerOf(request, 'authorization') ?? '').split(' ');
  if (scheme.toLowerCase() === 'bearer') return credentials;
  if (scheme.toLowerCase() === 'basic') {
    return Buffer.from(credentials, 'base64').toString().split(':')[0] ?? '';
  }
  return typeof form['key'] === 'string' ? form['key'] : '';
}

function headerOf(request: ApiRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function expandPaths(form: Form): string[] {
  const { expand } = form;
  if (expand === undefined || typeof expand === 'string') return [];
  return Object.values(expand).filter((path) => typeof path === 'string');
}

/** Does this request carry the secret key? For the emulator's own control. */
export function hasSecretKey(request: ApiRequest, secret: string): boolean {
  return givenKey(request, {}) === secret;
}
