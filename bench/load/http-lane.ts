import { connect, type Socket } from 'node:net';

export interface Answer {
  status: number;
  body: Buffer;
}

/**
 * One keep-alive HTTP/1.1 connection to this machine, one request at a time. It uses the bare socket, because the
 * generator shares the cores with the service that it measures: it understands what the API sends (a status line,
 * headers, a body with Content-Length) and fails on anything else.
 */
export function openHttpLane(port: number) {
  let socket: Socket | undefined;
  let received: Buffer = Buffer.alloc(0);
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  function fail(error: Error): void {
    const { reject } = waiting ?? {};
    waiting = undefined;
    socket?.destroy();
    socket = undefined;
    reject?.(error);
  }

  function read(chunk: Buffer): void {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = received.toString('latin1', 0, headEnd);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined)
      return fail(new Error(`an answer without Content-Length: ${head.slice(0, 200)}`));
    const end = headEnd + 4 + Number(length);
    if (received.length < end) return;
    const answer = { status: Number(head.slice(9, 12)), body: received.subarray(headEnd + 4, end) };
    received = received.subarray(end);
    const { resolve } = waiting ?? {};
    waiting = undefined;
    if (/\r\nconnection: close/i.test(head)) {
      socket?.destroy();
      socket = undefined;
    }
    resolve?.(answer);
  }

  function open(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const opening = connect({ port, host: '127.0.0.1', noDelay: true });
      opening.once('error', reject);
      opening.once('connect', () => {
        opening.off('error', reject);
        opening.on('error', fail);
        opening.on('close', () => {
          if (socket === opening) fail(new Error('the server closed the connection'));
        });
        opening.on('data', read);
        received = Buffer.alloc(0);
        resolve(opening);
      });
    });
  }

  return {
    async open(): Promise<void> {
      socket ??= await open();
    },
    async send(request: string): Promise<Answer> {
      const to = (socket ??= await open());
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        to.write(request);
      });
    },
    close(): void {
      const closing = socket;
      socket = undefined;
      closing?.destroy();
    },
  };
}

export type HttpLane = ReturnType<typeof openHttpLane>;

/** The text of a request; a body is sent as JSON. */
export function requestText(
  method: 'GET' | 'POST',
  path: string,
  options: { token?: string | undefined; body?: string; headers?: string } = {},
): string {
  const { token, body, headers = '' } = options;
  return [
    `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n`,
    token ? `Authorization: Bearer ${token}\r\n` : '',
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`,
    headers,
    '\r\n',
    body ?? '',
  ].join('');
}
