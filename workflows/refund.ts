import { ActivityFailure } from '@temporalio/workflow';
import type { RefundInput } from './messages.ts';
import { databaseSteps, refundSteps } from './steps.ts';

/**
 * Sends one payment back, whatever has become of its booking. Tried for two weeks; after that, or when Stripe
 * refuses for good, staff finds it flagged.
 */
export async function refundWorkflow({ paymentRef }: RefundInput): Promise<string> {
  try {
    return await refundSteps.sendRefund({ paymentRef });
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    await databaseSteps.flagRefundStuck({ paymentRef });
    return 'stuck';
  }
}
