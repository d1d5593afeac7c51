import { randomUUID } from 'node:crypto';
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { Problem, type ProblemCode } from '../domain/problems.ts';
import { connectionCause } from './client-gone.ts';
import { problemDocument, problemType } from './problems.ts';

/** Node's errors that are not about the form of the request. */
const codes: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/**
 * Handles the server's `clientError`: requests that Node cannot parse. Node's own handler writes a bare status line; this
 * one refuses them with a problem document, like any other refusal, and ends the connection.
 */
export function answerClientErrors(log: Logger, countGone: (socket: object, cause: string) => void) {
  return (error: NodeJS.ErrnoException, socket: Duplex): void => {
    const cause = error.code ?? '';
    if (connectionCause(error) || !socket.writable || isAnswering(socket)) {
      countGone(socket, cause);
      log.debug({ cause }, 'client gone');
      socket.destroy();
      return;
    }
    // The client has ended the connection in the middle of its headers. It may still read an answer.
    if (cause === 'HPE_INVALID_EOF_STATE') countGone(socket, cause);
    // The connection may be reset before the answer is written.
    socket.on('error', () => {});
    const problem = new Problem(codes[cause] ?? 'malformed_request');
    const requestId = randomUUID();
    log.info({ requestId, status: problem.status, cause }, 'request refused unread');
    socket.end(answerOf(problem, requestId), () => socket.destroy());
  };
}

/**
 * Has an answer begun on this connection, so that more bytes would become part of it? Node's own handler reads the same
 * private field.
 */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: answer } = socket as { _httpMessage?: ServerResponse | null };
  return answer?.headersSent === true;
}

function answerOf(problem: Problem, requestId: string): string {
  const body = problemDocument(problem, requestId);
  const lines = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
