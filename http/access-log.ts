import { randomUUID } from 'node:crypto';
import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import type { Traffic } from './traffic.ts';

interface AccessLogDeps {
  log: Logger;
  traffic: Traffic;
  metrics: { requests: { observe(labels: Record<string, string | number>, seconds: number): void } };
}

/**
 * One line a request, with its id, its route (never the raw path or query, which may carry anything) and who asked.
 * Counts the requests under way, which the relay yields to, and feeds the metrics.
 */
export function accessLog({ log, traffic, metrics }: AccessLogDeps): Middleware {
  return async (ctx, next) => {
    const begun = performance.now();
    const given = ctx.get('X-Request-Id');
    const requestId = /^[A-Za-z0-9-]{8,64}$/.test(given) ? given : randomUUID();
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
      const line = {
        requestId,
        method: ctx.method,
        route,
        status: ctx.status,
        ms: Math.round(seconds * 10_000) / 10,
        userId: ctx.state['userId'],
      };
      if (failure) log.error({ ...line, err: failure }, 'request failed');
      else log.info(line, 'request');
    }
  };
}
