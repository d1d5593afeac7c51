import type { Context } from 'koa';

/** What Node calls a connection that its other end has given up. */
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
 * Is the client of this request gone, and the error nothing but that? Then there is nobody to answer, and nothing to
 * repair here. The same codes come from Postgres or Stripe while the client still waits: those are no such case.
 * @returns the cause for the metrics, or undefined
 */
export function causeOfGoneClient(ctx: Context, error: unknown): string | undefined {
  if (!ctx.req.socket.destroyed && !ctx.req.aborted) return undefined;
  const code = connectionCause(error);
  if (code) return code;
  // How the parser of bodies says that an upload was broken off.
  return (error as { type?: unknown }).type === 'request.aborted' ? 'ECONNABORTED' : undefined;
}

/** The name of what happened to a connection; undefined when the error is of another kind. */
export function connectionCause(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && causes.has(code) ? code : undefined;
}
