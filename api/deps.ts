import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { EventRecorder } from '../activities/stripe-events.ts';
import type { Config } from '../config.ts';
import type { SessionChecks } from '../core/accounts/check-session.ts';
import type { CredentialDeps } from '../core/accounts/check-credentials.ts';
import type { DerivedKey } from '../core/derived-keys.ts';
import type { RoomCache } from '../db/rooms.ts';
import type { AccessTokens } from './auth/access-tokens.ts';
import type { AccountCookies } from './auth/cookies.ts';
import type { Metrics } from './metrics.ts';
import type { Relay } from './relay.ts';
import type { WorkflowClient } from './workflow-client.ts';

/** Requests under way, and how many ever began: the relay yields to them. `stopping`: say so, and take no new ones. */
export interface Traffic {
  inFlight: number;
  begun: number;
  stopping: boolean;
}

/** What the API works with. Only `createDeps` (real ones) and tests build it. */
export interface Deps extends CredentialDeps {
  config: Config;
  stripe: Stripe;
  log: Logger;
  rooms: RoomCache;
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
