import type { Db } from '../../db/knex.ts';
import { raiseFlag } from '../../db/flags.ts';
import type { PaymentRow } from '../../db/payments.ts';

/**
 * Tells staff that Stripe does not have a PaymentIntent of ours: the key is that of another account, or test data was
 * deleted. Asking again may not bring it back; the operator may.
 */
export function flagLostIntent(db: Db, { bookingId }: PaymentRow, intentId: string): Promise<void> {
  const detail = 'Stripe does not have this payment: is the key that of its account?';
  return raiseFlag(db, { kind: 'payment_mismatch', subject: intentId, detail, bookingId, standing: true });
}
