import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Db } from '../db/knex.ts';

/** What the verbs work with. Each names the part that it uses. */
export interface CoreDeps {
  db: Db;
  stripe: Stripe;
  log: Logger;
  /** A guest who cancels gets the money back until this many hours before the start. */
  freeCancelHours: number;
}
