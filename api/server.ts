import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as afterPoll, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createStripe } from '../core/stripe/client.ts';
import { createEventRecorder } from '../core/payments/record-event.ts';
import type { Config } from '../config.ts';
import { createDayClocks } from '../core/bookings/day-clocks.ts';
import { createAttempts } from '../core/accounts/attempts.ts';
import { createSessionChecks } from '../core/accounts/check-session.ts';
import { createDevices } from '../core/accounts/devices.ts';
import { createPasswords } from '../core/accounts/passwords.ts';
import { rememberSettings, rememberStripeAccount } from '../core/deployment/remember-settings.ts';
import { deriveKey } from '../core/derived-keys.ts';
import { connectDatabase, type Db } from '../db/knex.ts';
import { createRoomCache } from '../db/rooms.ts';
import { outboxLeaseMs } from '../domain/limits.ts';
import { createApp } from './app.ts';
import { createAccessTokens } from '../http/auth/access-tokens.ts';
import { createAccountCookies } from '../http/auth/cookies.ts';
import type { Deps } from './deps.ts';
import { answerClientErrors } from '../http/client-error.ts';
import { createMetrics, type LogLines } from './metrics.ts';
import { createRelay } from './relay/relay.ts';
import { createSweeper } from './sweeper.ts';
import { createWorkflowClient } from './relay/workflow-client.ts';

/** Builds real dependencies. Nothing connects yet, so the API starts even while Postgres or Temporal is down. */
function createDeps(config: Config, log: Logger, logLines: LogLines): Deps {
  const db = connectDatabase(config.database.url, {
    poolMax: config.database.poolMax,
    prepared: config.database.prepared,
    applicationName: 'booking-api',
    say: (sentence) => log.warn(sentence),
  });
  const stripe = createStripe(config.stripe);
  const traffic = { inFlight: 0, begun: 0, stopping: false };
  const workflows = createWorkflowClient(config.temporal);
  const relay = createRelay({ db, log, workflows, traffic });
  return {
    config,
    db,
    stripe,
    log,
    traffic,
    workflows,
    rooms: createRoomCache(db),
    dayClocks: createDayClocks(),
    ...createAccountDeps(config, db),
    relay,
    recordEvent: createEventRecorder(db, outboxLeaseMs),
    metrics: createMetrics({ db, relay, traffic, logLines }),
  };
}

function createAccountDeps({ auth: { secretKeys }, debug, limits }: Config, db: Db) {
  return {
    passwords: createPasswords(),
    attempts: createAttempts(db, limits),
    devices: createDevices(deriveKey(secretKeys, 'deviceCookie')),
    allowDemo: debug,
    accessTokens: createAccessTokens(secretKeys),
    refreshTokenKey: deriveKey(secretKeys, 'refreshToken'),
    panelFormKey: deriveKey(secretKeys, 'panelForm'),
    sessionChecks: createSessionChecks(db),
    cookies: createAccountCookies(debug),
  };
}

/** Slow clients are disconnected. Idle connections outlive the minute after which a load balancer closes its own. */
const serverOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
  // app.ts refuses a request without Host, with a problem document.
  requireHostHeader: false,
};
const connectionsMax = 10_000;
const drainMs = 10_000;
const idleCheckMs = 50;

/**
 * Starts the API: HTTP server, relay and sweeper in one process. `stop` makes `/readyz` fail, goes on answering for a
 * while and asks clients to close their connections, drains the requests under way, and closes everything.
 */
export async function startServer(config: Config, log: Logger, logLines: LogLines = { dropped: () => 0 }) {
  const deps = createDeps(config, log, logLines);
  const sweeper = createSweeper(deps);
  const handle = createApp(deps).callback();
  const server = createServer(serverOptions, handle);
  server.on('clientError', answerClientErrors(log, deps.metrics.countGone));
  // An unknown expectation may be ignored (RFC 9110, 10.1.1); Node would answer it with a bare 417.
  server.on('checkExpectation', handle);
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.http.port, config.http.host, resolve);
  });
  deps.relay.start();
  sweeper.start();
  const stopping = new AbortController();
  const remembering = Promise.all([
    rememberSettings(deps, config, stopping.signal),
    rememberStripeAccount(deps, config.stripe, stopping.signal),
  ]);

  return {
    deps,
    port: (server.address() as AddressInfo).port,
    /** `atOnce` skips the time for load balancers to notice, for a process that may be in a bad state. */
    async stop({ atOnce = false } = {}): Promise<void> {
      deps.traffic.stopping = true;
      if (!atOnce) await sleep(config.http.shutdownDelayMs);
      await drain(server);
      stopping.abort();
      await remembering;
      await sweeper.stop();
      await deps.relay.stop();
      await deps.db.destroy();
      await deps.workflows.close();
    },
  };
}

/**
 * Takes no more connections, lets the requests under way end, and cuts off what is still open after `drainMs`. Closing
 * the listener comes first: from then on a proxy's attempt to connect is refused, which it may try elsewhere, a POST
 * too. A connection that is taken and then reset would be a 502 to the client, since the request may have had its
 * effect. The listener closes right after the event loop has taken the connections that the kernel had ready.
 */
async function drain(server: Server): Promise<void> {
  await afterPoll();
  const closed = new Promise((resolve) => server.close(resolve));
  // Again and again: an answer that began before the stop did not ask its client to close the connection.
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs);
  const cutOff = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearInterval(idle);
  clearTimeout(cutOff);
}

export type RunningServer = Awaited<ReturnType<typeof startServer>>;
