import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { Logger } from 'pino';
import type { Traffic } from './traffic.ts';

interface AccessLogDeps {
  log: Logger;
  traffic: Traffic;
  metrics: {
    requests: { observe(labels: Record<string, string | number>, seconds: number): void };
    countGone(socket: object, cause: string): void;
  };
}

/**
 * Logs one line for each request: its id, its route (never the raw path or query, which may contain anything) and its
 * user. Counts the requests under way, which the relay yields to, and feeds the metrics.
 */
export function accessLog({ log, traffic, metrics }: AccessLogDeps): Middleware {
  return async (ctx, next) => {
    const begun = performance.now();
    const sentId = ctx.get('X-Request-Id');
    const requestId = /^[A-Za-z0-9-]{8,64}$/.test(sentId) ? sentId : randomUUID();
    ctx.state['requestId'] = requestId;
    ctx.set('X-Request-Id', requestId);
    if (traffic.stopping) ctx.set('Connection', 'close');
    traffic.inFlight++;
    traffic.begun++;
    try {
      await next();
    } finally {
      traffic.inFlight--;
      const seconds = (performance.now() - begun) / 1000;
      const route: string = ctx.state['route'] ?? 'none';
      metrics.requests.observe({ route, method: ctx.method, status: ctx.status }, seconds);
      const failure: unknown = ctx.state['failure'];
      const clientGone = ctx.state['clientGone'] as string | undefined;
      if (clientGone ?? ctx.req.socket.destroyed) metrics.countGone(ctx.req.socket, clientGone ?? 'closed');
      const line = {
        requestId,
        method: ctx.method,
        route,
        status: ctx.status,
        ms: Math.round(seconds * 10_000) / 10,
        userId: ctx.state['userId'],
      };
      if (clientGone) log.debug({ ...line, cause: clientGone }, 'client gone');
      else if (failure) log.error({ ...line, err: failure }, 'request failed');
      else log[levelOf(ctx, route)](line, 'request');
    }
  };
}

/** Probes, metrics and files of pages are requested many times a minute; only refusals of them are worth a line. */
const quietRoute = /^\/(livez|readyz|metrics|(site|docs)\/\*|.*\.(css|js|svg))$/;

const levelOf = (ctx: Context, route: string) =>
  ctx.status < 400 && quietRoute.test(route) ? ('debug' as const) : ('info' as const);
