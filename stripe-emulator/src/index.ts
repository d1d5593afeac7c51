import { emulatorKeys } from './keys.ts';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApi } from './api.ts';
import { createControl, payBeforeCancel, type StripeControl } from './control.ts';
import { createEmit, type World } from './events.ts';
import { createFaults } from './faults.ts';
import { createStripeServer } from './server.ts';
import { openTables } from './tables.ts';
import { createWebhooks } from './webhooks.ts';

export { connectStripeControl } from './control-http.ts';
export { emulatorKeys, emulatorPort } from './keys.ts';
export { signatureOf } from './webhook-request.ts';
export type { StripeControl, HandMadeEvent } from './control.ts';
export { passingFaultKinds, type Fault, type FaultKind } from './faults.ts';
export type { Ledger, LedgerEntry } from './ledger.ts';
export type { Delivery, WebhookBehaviour } from './webhooks.ts';

export interface StripeEmulatorOptions {
  /** 0, the default, takes a free one. */
  port?: number;
  /** 127.0.0.1 unless given. */
  host?: string;
  /** Where a browser reaches it, for the pages that it leads to; without it, where it listens. */
  browserUrl?: string;
  /** Keeps everything over restarts and SIGKILL; without it the state lives in memory. */
  stateFile?: string;
  /** Where events are sent; may be set later with `control.setWebhookUrl`. */
  webhookUrl?: string;
  webhookSecret?: string;
  /** Keys other than the public ones, for a service that runs as in production and so refuses those. */
  keys?: { secret: string; publishable: string };
  log?: (line: string) => void;
}

export interface StripeEmulator {
  /** Base address, without a slash at the end. */
  url: string;
  settings: {
    STRIPE_SECRET_KEY: string;
    STRIPE_PUBLISHABLE_KEY: string;
    STRIPE_WEBHOOK_SECRET: string;
    STRIPE_API_BASE: string;
  };
  control: StripeControl;
  stop(): Promise<void>;
}

const publicKeys = {
  secret: emulatorKeys.STRIPE_SECRET_KEY,
  publishable: emulatorKeys.STRIPE_PUBLISHABLE_KEY,
};

/**
 * Starts an emulator of the part of Stripe that takes payments: PaymentIntents, refunds, events, webhooks. It is
 * made for the real `stripe` client (host, port and protocol from `STRIPE_API_BASE`) and follows Stripe's
 * documentation for API version 2026-10-28.endive, with one leniency: confirming without a `return_url` is
 * allowed although redirects are. Rejects when the port is taken or the state file is damaged.
 */
export async function startStripe(options: StripeEmulatorOptions = {}): Promise<StripeEmulator> {
  const {
    port = 0,
    host = '127.0.0.1',
    log = () => {},
    webhookSecret = emulatorKeys.STRIPE_WEBHOOK_SECRET,
    keys = publicKeys,
  } = options;
  const tables = await openTables(options.stateFile);
  const webhooks = createWebhooks({ tables, secret: webhookSecret, log });
  if (options.webhookUrl !== undefined) webhooks.setUrl(options.webhookUrl);
  const faults = createFaults();
  let latencyMs = 0;
  let url = '';
  const world: World = {
    tables,
    emit: createEmit(tables, webhooks.enqueue),
    url: () => options.browserUrl ?? url,
  };
  const control = createControl({ world, webhooks, faults, setLatency: (ms) => (latencyMs = ms) });
  const api = createApi({
    world,
    faults,
    keys,
    pause: async () => {
      if (latencyMs > 0) await sleep(latencyMs);
    },
    beforeCancel: (id) => payBeforeCancel(world, id),
    log,
  });
  const server = createStripeServer({ api, control, faults, world, secretKey: keys.secret, log });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  url = `http://${host}:${(server.address() as AddressInfo).port}`;
  webhooks.resume();

  return {
    url,
    settings: {
      STRIPE_SECRET_KEY: keys.secret,
      STRIPE_PUBLISHABLE_KEY: keys.publishable,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      STRIPE_API_BASE: url,
    },
    control,
    async stop() {
      webhooks.stop();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await tables.close();
    },
  };
}
