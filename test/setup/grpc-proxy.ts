import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/** gRPC's number for "not now, try again" (https://grpc.io/docs/guides/status-codes/). */
const unavailable = '14';

/**
 * A proxy before a gRPC server, `host:port` without TLS, on a free port. It carries every call until `refuse` names
 * methods that it answers as a server that is still starting does.
 */
export async function startGrpcProxy(upstreamAddress: string) {
  let refused: readonly string[] = [];
  const refusals: string[] = [];
  const sessions = new Set<ClientHttp2Session>();
  const server = createServer();

  server.on('session', (session) => {
    session.on('error', () => {});
    const upstream = connect(`http://${upstreamAddress}`);
    upstream.on('error', () => session.destroy());
    session.on('close', () => upstream.destroy());
    sessions.add(upstream);
    session.on('stream', (stream, headers) => carry(stream, headers, upstream));
  });

  function carry(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    upstream: ClientHttp2Session,
  ): void {
    stream.on('error', () => {});
    const method = headers[':path']?.split('/').at(-1) ?? '';
    if (refused.includes(method)) {
      refusals.push(method);
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': unavailable,
          'grpc-message': 'Not enough hosts to serve the request',
        },
        { endStream: true },
      );
      return;
    }
    const call = upstream.request(headers);
    call.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    stream.on('aborted', () => call.close(constants.NGHTTP2_CANCEL));
    let trailers: IncomingHttpHeaders = {};
    call.on('trailers', (said) => (trailers = said));
    call.on('response', (said, flags) => {
      if (flags & constants.NGHTTP2_FLAG_END_STREAM) return stream.respond(said, { endStream: true });
      stream.respond(said, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      call.pipe(stream);
    });
    stream.pipe(call);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** From now on these methods, and no others, are refused as unavailable. */
    refuse(methods: readonly string[]): void {
      refused = methods;
    },
    /** The methods that were refused so far. */
    refusals,
    async stop(): Promise<void> {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type GrpcProxy = Awaited<ReturnType<typeof startGrpcProxy>>;
