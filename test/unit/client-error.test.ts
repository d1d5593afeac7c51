import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { answerClientErrors } from '../../http/client-error.ts';
import { problems } from '../../domain/problems.ts';
import { readAnswer, sendRaw } from '../setup/raw.ts';

let server: Server;
let logged: string;
let gone: string[];

async function serve(listener: RequestListener, headersTimeout = 10_000): Promise<string> {
  logged = '';
  gone = [];
  server = createServer({ headersTimeout, connectionsCheckingInterval: 50 }, listener);
  server.on(
    'clientError',
    answerClientErrors(pino({}, { write: (line) => (logged += line) }), (_, cause) => gone.push(cause)),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe('a request that Node cannot read', () => {
  test.each([
    ['a line that is no request', 'GARBAGE\r\n\r\n', 'malformed_request'],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      'malformed_request',
    ],
    [
      'a chunk without a length',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'malformed_request',
    ],
    ['large headers', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 'headers_too_large'],
    ['headers that do not end', 'GET / HTTP/1.1\r\nHost: x\r\nX: a', 'request_timeout'],
    ['nothing', '', 'request_timeout'],
  ] as const)('%s is refused with a document, and the connection ends', async (_, text, code) => {
    // Short only where it is waited for: a machine that stands still for a moment would reach it.
    const url = await serve((request) => request.resume(), code === 'request_timeout' ? 200 : undefined);
    const { status, headers, body } = readAnswer(await sendRaw(url, text));
    expect(status).toBe(problems[code].status);
    expect(body).toMatchObject({ status, code, title: problems[code].title, error: problems[code].title });
    expect(headers.get('Content-Type')).toBe('application/problem+json');
    expect(headers.get('Content-Length')).toBe(String(JSON.stringify(body).length));
    expect(headers.get('Connection')).toBe('close');
    const requestId = headers.get('X-Request-Id') ?? '';
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(body.instance).toBe(`urn:uuid:${requestId}`);
    expect(JSON.parse(logged)).toMatchObject({ requestId, status });
  });

  test('an answer that has begun is cut off, not mixed with another', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'Content-Length': '10' });
      response.write('12345');
    });
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    const came = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(head));
      socket.on('data', (chunk) => {
        text += chunk.toString();
        if (text.endsWith('12345')) socket.write('zz\r\n');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
    expect(came).toMatch(/^HTTP\/1\.1 200 OK[^{]*12345$/);
    expect(logged).toBe('');
  });

  test('a client that is gone is not answered', async () => {
    const url = await serve((request) => request.resume());
    await new Promise<void>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
        socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1');
        setTimeout(() => socket.resetAndDestroy(), 20);
      });
      socket.on('close', () => setTimeout(resolve, 50));
    });
    expect(logged).toBe('');
    expect(gone).toEqual(['ECONNRESET']);
  });
});
