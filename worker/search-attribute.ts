import type { NativeConnection } from '@temporalio/worker';
import { bookingStatusAttribute } from '../workflows/messages.ts';
import type { SetUpStep } from './set-up.ts';

/** gRPC's own numbers (https://grpc.io/docs/guides/status-codes/); the SDK's enum is a type only. */
const alreadyExists = 6;
const permissionDenied = 7;
const unimplemented = 12;
/** temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, a type only in the SDK too. */
const keyword = 2;
const callMs = 5_000;

/**
 * Makes `BookingStatus` known to the namespace. Where that is not allowed (Temporal Cloud: create it there by hand),
 * everything runs without it: the relay starts workflows with the attribute only if the server has it.
 */
export function searchAttributeStep(connection: NativeConnection, namespace: string): SetUpStep {
  const { operatorService } = connection;
  return {
    name: 'search_attribute',
    complaint: `The search attribute ${bookingStatusAttribute} could not be registered; running without it`,
    make: () =>
      connection.withDeadline(Date.now() + callMs, async () => {
        try {
          const searchAttributes = { [bookingStatusAttribute]: keyword };
          await operatorService.addSearchAttributes({ namespace, searchAttributes });
          return 'made';
        } catch (error) {
          const code = codeOf(error);
          if (code === alreadyExists) return 'made';
          if (code !== permissionDenied && code !== unimplemented) throw error;
          return (await isKnown(connection, namespace)) ? 'made' : 'denied';
        }
      }),
  };
}

/** Where the worker may not make the attribute, somebody may have made it by hand. */
async function isKnown({ operatorService }: NativeConnection, namespace: string): Promise<boolean> {
  try {
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    return bookingStatusAttribute in (customAttributes ?? {});
  } catch (error) {
    const code = codeOf(error);
    if (code !== permissionDenied && code !== unimplemented) throw error;
    return false;
  }
}

const codeOf = (error: unknown) => (error as { code?: number }).code;
