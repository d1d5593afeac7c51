import type { Connection } from '@temporalio/client';
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common';
import { bookingStatusAttribute } from '../../workflows/messages.ts';
import { isInvalidArgument, isOutOfReach } from './grpc-errors.ts';

const statusKey = defineSearchAttributeKey(bookingStatusAttribute, 'KEYWORD');
const checkEveryMs = 60_000;

/**
 * The search attribute `BookingStatus`, which operators filter workflows by. Temporal refuses a start that names an
 * attribute unknown to the namespace, so a start names it only while the namespace has it.
 */
export function createStatusAttribute(namespace: string) {
  let isKnown = false;
  let checkedAt = 0;

  /** @throws a gRPC error when Temporal cannot be reached: the start itself would fail */
  async function checkNamespace(connection: Connection): Promise<boolean> {
    if (isKnown || Date.now() - checkedAt < checkEveryMs) return isKnown;
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      isKnown = statusKey.name in (customAttributes ?? {});
    } catch (error) {
      if (isOutOfReach(error)) throw error;
      // We may not be allowed to ask; the start works without the attribute.
      isKnown = false;
    }
    checkedAt = Date.now();
    return isKnown;
  }

  return {
    /** The search attributes that a booking's workflow starts with. */
    async startOptions(connection: Connection) {
      if (!(await checkNamespace(connection))) return {};
      return { typedSearchAttributes: new TypedSearchAttributes([{ key: statusKey, value: 'pending' }]) };
    },

    /**
     * Temporal answers a lost attribute like a faulty message. If the namespace has lost it since, throws an error
     * that is not the message's fault, so that the relay keeps the message; its next start omits the attribute.
     */
    async rethrowAsOutage(error: unknown, connection: Connection): Promise<never> {
      if (isKnown && isInvalidArgument(error)) {
        isKnown = false;
        checkedAt = 0;
        if (!(await checkNamespace(connection))) {
          throw new Error(`the namespace has lost the search attribute ${statusKey.name}`, { cause: error });
        }
      }
      throw error;
    },
  };
}

export type StatusAttribute = ReturnType<typeof createStatusAttribute>;
