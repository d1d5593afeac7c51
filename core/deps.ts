import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Db } from '../db/knex.ts';

/** What the activities, and the API where it settles a hold itself, work with. */
export interface ActivityDeps {
  db: Db;
  stripe: Stripe;
  log: Logger;
  freeCancelHours: number;
}
