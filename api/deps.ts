import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { EventRecorder } from '../core/payments/record-event.ts';
import type { Config } from '../config.ts';
import type { Db } from '../db/knex.ts';
import type { Passwords } from '../db/passwords.ts';
import type { RoomCache } from '../db/rooms.ts';
import type { AccessTokens } from '../http/auth/access-tokens.ts';
import type { Sessions } from '../http/auth/sessions.ts';
import type { Limiters } from '../http/rate-limit.ts';
import type { Traffic } from '../http/traffic.ts';
import type { Metrics } from './metrics.ts';
import type { Relay } from './relay/relay.ts';
import type { WorkflowClient } from './relay/workflow-client.ts';

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
