import { ActivityFailure } from '@temporalio/workflow';
import type { RefundInput } from '../domain/messages.ts';
import { databaseSteps, isFinal, refundSteps } from './steps.ts';

/**
 * Sends one refund, whatever has become of its booking. Tried for two weeks; after that staff finds it flagged. A run that
 * has not sent it fails, so that another can replace it: when a dispute has closed, or when staff retries it.
 */
export async function refundWorkflow({ refundRef }: RefundInput): Promise<string> {
  try {
    return await refundSteps.sendRefund({ refundRef });
  } catch (error) {
    if (error instanceof ActivityFailure && !isFinal(error)) await databaseSteps.giveUpRefund({ refundRef });
    throw error;
  }
}
