import { isGrpcServiceError, ServiceError } from '@temporalio/client';

/** gRPC's own numbers (https://grpc.io/docs/guides/status-codes/); the SDK's enum is a type only. */
const grpcInvalidArgument: number = 3;
export const grpcDeadlineExceeded: number = 4;
export const grpcUnavailable: number = 14;

/** A payment whose booking is not in the database: perhaps it was restored to an earlier point. */
export class OrphanError extends Error {
  override readonly name = 'OrphanError';
}

/**
 * Is the message itself to blame, rather than the server, its configuration or our rights there? Only then may the
 * relay set it aside.
 */
export function isPoison(error: unknown): boolean {
  const code = grpcCodeOf(error);
  if (code !== undefined) return code === grpcInvalidArgument;
  return error instanceof TypeError || error instanceof OrphanError;
}

/** Did the server refuse the content of the call? */
export const isInvalidArgument = (error: unknown): boolean => grpcCodeOf(error) === grpcInvalidArgument;

/** Was there no answer, so that nothing is known of what the server did? */
export function isOutOfReach(error: unknown): boolean {
  const code = grpcCodeOf(error);
  return code === grpcUnavailable || code === grpcDeadlineExceeded;
}

/** The client wraps the gRPC error of a start or a signal in a `ServiceError`, and throws that of other calls as it is. */
export function grpcCodeOf(error: unknown): number | undefined {
  const cause = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(cause) ? Number(cause.code) : undefined;
}
