import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Config } from '../config.ts';
import type { CredentialDeps } from '../core/accounts/check-credentials.ts';
import type { DerivedKey } from '../core/derived-keys.ts';
import type { BookingDetailRow } from '../db/bookings.ts';
import type { RoomCache } from '../db/rooms.ts';
import type { AccountCookies } from '../http/auth/cookies.ts';

/** The dependencies of the pages, which the API process provides. */
export interface WebDeps extends CredentialDeps {
  config: Config;
  stripe: Stripe;
  log: Logger;
  rooms: RoomCache;
  cookies: AccountCookies;
  panelFormKey: DerivedKey;
  workflows: {
    /** Whether a worker has recently polled Temporal. Rejects when Temporal does not respond. */
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
