import type { Context } from 'koa';

/** Node's codes for a connection that its other end has given up. */
const causes = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_STREAM_UNABLE_TO_PIPE',
]);

/**
 * Why a request failed if its client is gone: then there is nobody to answer and no bug. The same codes from Postgres or
 * Stripe, while the client still waits, do not count.
 * @returns the cause for the metrics, or undefined
 */
export function causeOfGoneClient(ctx: Context, error: unknown): string | undefined {
  if (!ctx.req.socket.destroyed && !ctx.req.aborted) return undefined;
  const code = connectionCause(error);
  if (code) return code;
  // The body parser's error for an upload that was broken off.
  return (error as { type?: unknown }).type === 'request.aborted' ? 'ECONNABORTED' : undefined;
}

/** The code of an error of the connection; undefined for any other error. */
export function connectionCause(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && causes.has(code) ? code : undefined;
}
