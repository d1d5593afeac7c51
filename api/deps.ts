import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { EventRecorder } from '../core/payments/record-event.ts';
import type { Config } from '../config.ts';
import type { SessionChecks } from '../core/accounts/check-session.ts';
import type { CredentialDeps } from '../core/accounts/check-credentials.ts';
import type { DerivedKey } from '../core/derived-keys.ts';
import type { DayClocks } from '../domain/day-clock.ts';
import type { RoomCache } from '../db/rooms.ts';
import type { AccessTokens } from '../http/auth/access-tokens.ts';
import type { AccountCookies } from '../http/auth/cookies.ts';
import type { Traffic } from '../http/traffic.ts';
import type { Metrics } from './metrics.ts';
import type { Relay } from './relay/relay.ts';
import type { WorkflowClient } from './relay/workflow-client.ts';

/** The dependencies of the API. `createDeps` builds real ones; otherwise only tests build them. */
export interface Deps extends CredentialDeps {
  config: Config;
  stripe: Stripe;
  log: Logger;
  rooms: RoomCache;
  dayClocks: DayClocks;
  accessTokens: AccessTokens;
  refreshTokenKey: DerivedKey;
  panelFormKey: DerivedKey;
  sessionChecks: SessionChecks;
  cookies: AccountCookies;
  workflows: WorkflowClient;
  relay: Relay;
  recordEvent: EventRecorder;
  metrics: Metrics;
  traffic: Traffic;
}
