import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
  ServiceError,
} from '@temporalio/client';
import type { Config } from '../../config.ts';
import { temporalCallMs, temporalReconnectMaxMs } from '../../domain/limits.ts';

/** A connection and the client on it. A call that uses another connection than its own has no deadline. */
export interface TemporalLink {
  connection: Connection;
  workflow: Client['workflow'];
}

/** gRPC's own numbers (https://grpc.io/docs/guides/status-codes/); the SDK's enum is a type only. */
export const grpcDeadlineExceeded: number = 4;
export const grpcUnavailable: number = 14;

/**
 * By itself gRPC pauses for up to two minutes between attempts to connect, and asks DNS at most every 30 s, so that
 * Temporal would be back for minutes before we notice (https://grpc.github.io/grpc/core/md_doc_connection-backoff.html).
 */
const channelArgs = {
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': temporalReconnectMaxMs,
  'grpc.dns_min_time_between_resolutions_ms': temporalReconnectMaxMs / 2,
  // A new connection must not share the socket of the one that it replaces.
  'grpc.use_local_subchannel_pool': 1,
};

/** No call answered for this long: the connection may lead to a machine that is gone without a word. */
const silenceMaxMs = 4_000;

/**
 * The way to Temporal. It is lazy, so that a process starts without Temporal; every call has a deadline; and when
 * Temporal is back after any time, calls are answered again within a few seconds: pauses between attempts are bounded,
 * and a connection on which nothing is answered any more is replaced by a new one. TCP alone would go on for minutes
 * with packets that nobody receives.
 */
export function createTemporalConnection(settings: Config['temporal']) {
  let link = openLink(settings);
  let silentSince: number | undefined;
  const underWay = new Set<Promise<unknown>>();

  function noteFailure(error: unknown, from: TemporalLink, sentAt: number): void {
    const code = grpcCodeOf(error);
    // Refused at once, or an update that its worker did not answer: neither says that packets are lost.
    if (code === undefined || code === grpcUnavailable || from !== link) return;
    if (code !== grpcDeadlineExceeded) {
      silentSince = undefined;
      return;
    }
    silentSince ??= sentAt;
    if (Date.now() - silentSince < silenceMaxMs) return;
    silentSince = undefined;
    link = openLink(settings);
    void closeLater(from);
  }

  /** Closes a connection after the calls under way: one that is about to be repeated would find it gone. */
  async function closeLater({ connection }: TemporalLink): Promise<void> {
    await Promise.allSettled(underWay);
    await connection.close();
  }

  return {
    /** Makes calls with a deadline for all of them together. @throws what the last of them throws */
    call<T>(calls: (link: TemporalLink) => Promise<T>, withinMs = temporalCallMs): Promise<T> {
      const from = link;
      const sentAt = Date.now();
      const answer = from.connection.withDeadline(sentAt + withinMs, () => calls(from));
      underWay.add(answer);
      answer
        .then(
          () => {
            if (from === link) silentSince = undefined;
          },
          (error: unknown) => noteFailure(error, from, sentAt),
        )
        .finally(() => underWay.delete(answer));
      return answer;
    },

    /** Closes the connection after the calls under way. */
    close: () => closeLater(link),
  };
}

export type TemporalConnection = ReturnType<typeof createTemporalConnection>;

function openLink(settings: Config['temporal']): TemporalLink {
  const connection = Connection.lazy({
    address: settings.address,
    // Said either way: an API key alone would make the client turn it on.
    tls: settings.tls ?? false,
    ...(settings.apiKey && { apiKey: settings.apiKey }),
    channelArgs,
    // Its own ten attempts wait past the deadline: the pause between two of them is not cut short by it.
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: 3 }))],
  });
  const { workflow } = new Client({ connection, namespace: settings.namespace });
  return { connection, workflow };
}

/** The client throws what a start or a signal got from gRPC inside a `ServiceError`, anything else as it came. */
export function grpcCodeOf(error: unknown): number | undefined {
  const said = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(said) ? Number(said.code) : undefined;
}
