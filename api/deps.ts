import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { EventRecorder } from '../activities/stripe-events.ts';
import type { Config } from '../config.ts';
import type { Db } from '../db/knex.ts';
import type { Passwords } from '../db/passwords.ts';
import type { RoomCache } from '../db/rooms.ts';
import type { AccessTokens } from './auth/access-tokens.ts';
import type { Sessions } from './auth/sessions.ts';
import type { Limiters } from './http/rate-limit.ts';
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
export interface Deps {
  config: Config;
  db: Db;
  stripe: Stripe;
  log: Logger;
  rooms: RoomCache;
  passwords: Passwords;
  accessTokens: AccessTokens;
  sessions: Sessions;
  limiters: Limiters;
  workflows: WorkflowClient;
  relay: Relay;
  recordEvent: EventRecorder;
  metrics: Metrics;
  traffic: Traffic;
}
