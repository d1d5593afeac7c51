import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { hasSecretKey, type Api, type ApiRequest } from './api.ts';
import { answerChallenge } from './challenge-page.ts';
import type { StripeControl } from './control.ts';
import { answerControl } from './control-http.ts';
import { invalidRequest, serverFailure } from './errors.ts';
import type { World } from './events.ts';
import type { Faults } from './faults.ts';

const bodyBytesMax = 1_000_000;

interface ServerDeps {
  api: Api;
  control: StripeControl;
  faults: Faults;
  world: World;
  secretKey: string;
  log: (line: string) => void;
}

/** The HTTP side: reads requests, lets faults strike, writes answers. */
export function createStripeServer(deps: ServerDeps): Server {
  const server = createServer((incoming, outgoing) => {
    serve(deps, incoming, outgoing).catch((error: unknown) => {
      // The client went away in the middle of its request.
      if (!incoming.complete) return void outgoing.destroy();
      deps.log(
        `request to the Stripe emulator failed: ${error instanceof Error ? error.stack : String(error)}`,
      );
      if (outgoing.headersSent) outgoing.destroy();
      else write(outgoing, 500, JSON.stringify({ error: serverFailure(500).body }), {});
    });
  });
  // Longer than clients keep their sockets: a connection that dies while a request leaves looks like a fault.
  server.keepAliveTimeout = 75_000;
  return server;
}

async function serve(deps: ServerDeps, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  if (incoming.method === 'OPTIONS') {
    write(outgoing, 204, '', preflight(incoming));
    return;
  }
  const body = await readBody(incoming);
  if (body === undefined) {
    const { body: error } = invalidRequest('The request is too large.');
    write(outgoing, 413, JSON.stringify({ error }), { connection: 'close' });
    return;
  }
  const [path = '/', query = ''] = (incoming.url ?? '/').split('?', 2);
  const request: ApiRequest = {
    method: incoming.method ?? 'GET',
    path,
    query,
    body,
    headers: incoming.headers,
  };
  if (path.startsWith('/_emulator/')) {
    const { status, body: answer, headers } = await serveEmulator(deps, request);
    write(outgoing, status, answer, headers);
    return;
  }
  await serveApi(deps, request, outgoing);
}

async function serveApi(deps: ServerDeps, request: ApiRequest, outgoing: ServerResponse): Promise<void> {
  const early = deps.faults.strike('arrival', request.method, request.path);
  if (early === 'drop_before') return void outgoing.destroy();
  if (early === 'timeout') return;
  if (early === '503') {
    write(outgoing, 503, JSON.stringify({ error: serverFailure(503).body }), {});
    return;
  }
  if (early === '429') {
    const error = invalidRequest('Too many requests hit the emulator too quickly.', { code: 'rate_limit' });
    write(outgoing, 429, JSON.stringify({ error: error.body }), { 'stripe-should-retry': 'true' });
    return;
  }
  if (early === '401' || early === '403') {
    const error = invalidRequest('Expired API Key provided: sk_test_***', { code: 'api_key_expired' });
    write(outgoing, Number(early), JSON.stringify({ error: error.body }), {});
    return;
  }
  const answer = await deps.api.answer(request);
  const late = deps.faults.strike('answer', request.method, request.path);
  if (late === 'drop_after_effect') return void outgoing.destroy();
  if (late === 'timeout_after_effect') return;
  write(outgoing, answer.status, answer.body, answer.headers);
}

async function serveEmulator(deps: ServerDeps, request: ApiRequest) {
  const name = request.path.slice('/_emulator/'.length);
  const headers = {};
  if (name === 'health') return { status: 200, body: '{"status":"ok"}', headers };
  if (name.startsWith('3ds/')) {
    return answerChallenge(deps.world, name.slice('3ds/'.length), request.query, request.body);
  }
  if (!hasSecretKey(request, deps.secretKey)) {
    const { body: error } = invalidRequest('The control of the emulator needs the secret key.');
    return { status: 401, body: JSON.stringify({ error }), headers };
  }
  return { ...(await answerControl(deps.control, name, request.body)), headers };
}

/** The whole body as text; nothing when it is too large. */
async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

// Browsers pay with the publishable key from any origin, as with api.stripe.com.
const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'Request-Id, Stripe-Manage-Version, X-Stripe-External-Auth-Required',
};

function preflight(incoming: IncomingMessage): Record<string, string> {
  return {
    'access-control-allow-methods': 'GET, POST, HEAD, OPTIONS, DELETE',
    'access-control-allow-headers':
      incoming.headers['access-control-request-headers'] ?? 'authorization, content-type',
    'access-control-max-age': '300',
  };
}

function write(
  outgoing: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string>,
): void {
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-cache, no-store',
    ...corsHeaders,
    ...headers,
    'content-length': Buffer.byteLength(body),
  });
  outgoing.end(body);
}
