import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { startStripe, type StripeEmulator, type StripeEmulatorOptions } from '../src/index.ts';

/** The real client, pointed at an emulator; it retries nothing unless told. */
export function clientOf(
  emulator: Pick<StripeEmulator, 'settings'>,
  config: Stripe.StripeConfig = {},
): Stripe {
  const { hostname, port } = new URL(emulator.settings.STRIPE_API_BASE);
  return new Stripe(emulator.settings.STRIPE_SECRET_KEY, {
    host: hostname,
    port,
    protocol: 'http',
    maxNetworkRetries: 0,
    telemetry: false,
    ...config,
  });
}

export async function startKit(options: StripeEmulatorOptions = {}) {
  const emulator = await startStripe(options);
  const stripe = clientOf(emulator);
  let createdCount = 0;
  return {
    emulator,
    stripe,
    control: emulator.control,
    stop: () => emulator.stop(),
    /** A PaymentIntent over 50.00 eur as the service makes them. */
    createIntent(params: Partial<Stripe.PaymentIntentCreateParams> = {}) {
      createdCount += 1;
      return stripe.paymentIntents.create({
        amount: 5000,
        currency: 'eur',
        metadata: { booking_ref: `booking-${createdCount}` },
        automatic_payment_methods: { enabled: true },
        ...params,
      });
    },
  };
}
export type Kit = Awaited<ReturnType<typeof startKit>>;

/** The id behind a field that may hold the expanded object. */
export function idOf(field: string | { id: string } | null | undefined): string {
  return typeof field === 'string' ? field : (field?.id ?? '');
}

/** What a promise rejects with, as Stripe's error. Fails when it does not reject. */
export async function failureOf(promise: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const outcome = await promise.then(
    () => 'no failure',
    (error: unknown) => error,
  );
  if (outcome instanceof Stripe.errors.StripeError) return outcome;
  throw new Error(`Expected a StripeError, got: ${String(outcome)}`);
}

export interface Received {
  headers: IncomingHttpHeaders;
  /** The raw bytes, as the signature covers them. */
  body: Buffer;
  atMs: number;
  event: Stripe.Event;
}

/** A webhook endpoint that keeps what comes and answers what `reply` says: 200 unless told, null for never. */
export async function startReceiver() {
  const received: Received[] = [];
  const state = { reply: (): number | null => 200, active: 0, activeMax: 0, holdMs: 0 };
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    state.active += 1;
    state.activeMax = Math.max(state.activeMax, state.active);
    outgoing.on('close', () => {
      state.active -= 1;
    });
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      const event = JSON.parse(body.toString()) as Stripe.Event;
      received.push({ headers: incoming.headers, body, atMs: Date.now(), event });
      const status = state.reply();
      if (status === null) return;
      setTimeout(() => outgoing.writeHead(status).end(), state.holdMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/stripe-webhook/`,
    received,
    state,
    types: () => received.map((each) => each.event.type),
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
