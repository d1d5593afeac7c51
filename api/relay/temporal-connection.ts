import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import type { Config } from '../../config.ts';
import { temporalCallMs, temporalReconnectMaxMs } from '../../domain/limits.ts';
import { grpcCodeOf, grpcDeadlineExceeded, grpcUnavailable } from './grpc-errors.ts';

/** A connection and the client on it. The deadline of a call holds for its own connection only. */
export interface TemporalLink {
  connection: Connection;
  workflow: Client['workflow'];
}

/**
 * gRPC's defaults pause for up to two minutes between attempts to connect and ask DNS at most every 30 s, so we would
 * miss for minutes that Temporal is back (https://grpc.github.io/grpc/core/md_doc_connection-backoff.html).
 */
const channelArgs = {
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': temporalReconnectMaxMs,
  'grpc.dns_min_time_between_resolutions_ms': temporalReconnectMaxMs / 2,
  // A new connection must not share the socket of the one that it replaces.
  'grpc.use_local_subchannel_pool': 1,
};

const attemptsMax = 3;

/** If no call is answered for this long, the connection may lead to a machine that has vanished. */
const silenceMaxMs = 4_000;

/**
 * The connection to Temporal. It connects at the first call, so that a process starts without Temporal. Every call has a
 * deadline: the client itself waits 20 s for a server that is down, and for ever for one that is frozen. When Temporal
 * is back, after however long, calls are answered within a few seconds: pauses between attempts are bounded, and a
 * connection that has fallen silent is replaced, since TCP alone would send packets into the void for minutes.
 */
export function createTemporalConnection(settings: Config['temporal']) {
  let link = openLink(settings);
  let silentSince: number | undefined;
  const underWay = new Set<Promise<unknown>>();

  function noteFailure(error: unknown, from: TemporalLink, sentAt: number): void {
    const code = grpcCodeOf(error);
    // A refused connection, or an update that its worker did not answer, does not mean that packets are lost.
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

  /** Closes a connection after the calls under way: a call that is being retried would lose it. */
  async function closeLater({ connection }: TemporalLink): Promise<void> {
    await Promise.allSettled(underWay);
    await connection.close();
  }

  return {
    /**
     * Makes calls to Temporal, all within one deadline.
     * @throws a gRPC error when there is no answer by then: what the server did is unknown
     */
    withDeadline<T>(calls: (link: TemporalLink) => Promise<T>, withinMs = temporalCallMs): Promise<T> {
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
    // Without `false`, an API key alone would turn TLS on.
    tls: settings.tls ?? false,
    ...(settings.apiKey && { apiKey: settings.apiKey }),
    channelArgs,
    // The client's ten attempts would outlast the deadline, which does not cut the pause between two attempts short.
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: attemptsMax }))],
  });
  const { workflow } = new Client({ connection, namespace: settings.namespace });
  return { connection, workflow };
}
