import type { Db } from '../../db/knex.ts';
import { findRefund, refuseRefund } from '../../db/refunds.ts';

/** Gives up a refund that Stripe has refused for two weeks: staff must see to it. */
export async function giveUpRefund(db: Db, refundRef: string): Promise<void> {
  const refund = await findRefund(db, { refundRef });
  if (!refund) return;
  const said = refund.lastError ? ` Stripe says: ${refund.lastError}` : '';
  await refuseRefund(db, refund.id, `This refund was tried for two weeks in vain.${said}`);
}
