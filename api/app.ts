import cors from '@koa/cors';
import Koa from 'koa';
import compress from 'koa-compress';
import helmet from 'koa-helmet';
import { Problem } from '../domain/problems.ts';
import { cancelBooking } from './cancel.ts';
import type { Deps } from './deps.ts';
import { accessLog } from '../http/access-log.ts';
import { setClientAddress } from '../http/client-address.ts';
import { causeOfGoneClient } from '../http/client-gone.ts';
import { mount } from '../http/mount.ts';
import { printOpenApi } from '../http/openapi.ts';
import { problemMiddleware } from '../http/problems.ts';
import { limitRequests } from '../http/rate-limit.ts';
import { isAt, refuseOtherMethods } from '../http/reading.ts';
import { isPanelPath, panel } from '../web/staff/index.tsx';
import { serveMetrics } from './metrics.ts';
import { listRoutes } from './routes.ts';
import { site } from '../web/booking/index.ts';

/** The Koa application: the whole chain that a request passes, in order. */
export function createApp(deps: Deps): Koa {
  const { config, log } = deps;
  const app = new Koa();
  app.proxy = config.http.trustProxyHops > 0;
  app.on('error', (error: unknown, ctx?: Koa.Context) => {
    const cause = ctx && causeOfGoneClient(ctx, error);
    if (!cause) return log.error({ err: error }, 'an answer could not be sent');
    deps.metrics.countGone(ctx.req.socket, cause);
    log.debug({ cause, requestId: ctx.state['requestId'] }, 'client gone');
  });

  const routes = listRoutes(deps);
  app.use(setClientAddress(config.http.trustProxyHops));
  app.use(accessLog(deps));
  app.use(securityHeaders());
  app.use(problemMiddleware());
  app.use(refuseMalformed());
  app.use(allowOrigins(config.http.corsOrigins));
  app.use(limitRequests(deps.limiters));
  app.use(compressPublic());
  app.use(serveMetrics(deps.metrics, config.metricsToken));
  app.use(serveDocument(() => printOpenApi(routes)));
  app.use(panel({ ...deps, cancelBooking: (booking, request) => cancelBooking(deps, booking, request) }));
  app.use(site(deps));
  app.use(mount(routes, deps));
  app.use(() => {
    throw new Problem('not_found');
  });
  return app;
}

/** For JSON: nothing may be loaded, framed or sniffed. Pages bring a policy of their own. */
function securityHeaders(): Koa.Middleware {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: true },
    referrerPolicy: { policy: 'no-referrer' },
  });
}

/** Refuses what Node hands on though it is not valid: a target that is no address, no Host (RFC 9112, 3.2). */
function refuseMalformed(): Koa.Middleware {
  return async (ctx, next) => {
    const hostless = ctx.req.httpVersion === '1.1' && ctx.req.headers.host === undefined;
    if (hostless || !hasPath(ctx)) {
      throw new Problem('malformed_request', { headers: { Connection: 'close' } });
    }
    await next();
  };
}

/** Koa parses the target when it is asked for the path: of `http://[::1` it throws, and `http://` has none. */
function hasPath(ctx: Koa.Context): boolean {
  try {
    return Boolean(ctx.path);
  } catch {
    return false;
  }
}

/** An exact list, never a reflection: other origins get no CORS header at all. */
function allowOrigins(origins: readonly string[]): Koa.Middleware {
  return cors({
    // The panel is for its own pages only, whoever may call the API.
    origin: (ctx) => (origins.includes(ctx.get('Origin')) && !isPanelPath(ctx.path) ? ctx.get('Origin') : ''),
    credentials: true,
    allowMethods: ['GET', 'POST'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key'],
    exposeHeaders: ['Retry-After', 'X-Request-Id', 'Idempotent-Replayed'],
    maxAge: 600,
  });
}

/**
 * Compresses what its route calls public, and nothing else: an answer that holds a secret beside what its asker has sent
 * would tell the secret by its length (BREACH, https://www.breachattack.com).
 */
function compressPublic(): Koa.Middleware {
  return compress({ filter: () => false, threshold: 4_096, br: false, zstd: false, deflate: false });
}

/** Printed once a day: the examples hold dates that lie ahead. */
function serveDocument(print: () => unknown): Koa.Middleware {
  let printed = { day: '', text: '' };
  return async (ctx, next) => {
    if (!isAt(ctx, '/openapi.json')) return next();
    ctx.state['route'] = '/openapi.json';
    refuseOtherMethods(ctx);
    const day = new Date().toISOString().slice(0, 10);
    if (printed.day !== day) printed = { day, text: JSON.stringify(print()) };
    ctx.type = 'application/json';
    ctx.body = printed.text;
    ctx.compress = true;
  };
}
