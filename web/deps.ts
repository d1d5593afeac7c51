import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Config } from '../config.ts';
import type { BookingDetailRow } from '../db/bookings.ts';
import type { Db } from '../db/knex.ts';
import type { Passwords } from '../db/passwords.ts';
import type { RoomCache } from '../db/rooms.ts';
import type { Limiters } from '../http/rate-limit.ts';

/** What the pages work with; the API process gives it to them. */
export interface WebDeps {
  config: Config;
  db: Db;
  stripe: Stripe;
  log: Logger;
  rooms: RoomCache;
  passwords: Passwords;
  limiters: Limiters;
  workflows: {
    /** Has a worker asked Temporal for work lately? */
    hasWorker(): Promise<boolean>;
  };
  /**
   * Cancels a booking through the workflow that owns it.
   * @throws Problem not_cancellable, workflow_unavailable
   */
  cancelBooking(
    booking: BookingDetailRow,
    request: { callerId: number; byStaff: boolean; refund: boolean },
  ): Promise<void>;
}
