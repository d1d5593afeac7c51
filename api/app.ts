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
import { isPath, refuseWrites } from '../http/read-only-path.ts';
import { isPanelPath, panel } from '../web/staff/index.tsx';
import { serveMetrics } from './metrics.ts';
import { listRoutes } from './routes.ts';
import { site } from '../web/booking/index.ts';

/** The Koa application: every middleware that a request passes, in order. */
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
  app.use(limitRequests(deps));
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

/** For JSON: nothing may be loaded, framed or sniffed. Pages set a policy of their own. */
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

/** Refuses requests that Node passes on though they are not valid: without Host, or with a malformed target (RFC 9112, 3.2). */
function refuseMalformed(): Koa.Middleware {
  return async (ctx, next) => {
    const hostless = ctx.req.httpVersion === '1.1' && ctx.req.headers.host === undefined;
    if (hostless || !hasPath(ctx)) {
      throw new Problem('malformed_request', { endsConnection: true });
    }
    await next();
  };
}

/** Koa parses the target when its path is read: it throws for `http://[::1`, and `http://` has no path. */
function hasPath(ctx: Koa.Context): boolean {
  try {
    return Boolean(ctx.path);
  } catch {
    return false;
  }
}

/** Only origins of the list get CORS headers; an origin is never reflected. */
function allowOrigins(origins: readonly string[]): Koa.Middleware {
  return cors({
    // No other origin may call the panel, even one that may call the API.
    origin: (ctx) => (origins.includes(ctx.get('Origin')) && !isPanelPath(ctx.path) ? ctx.get('Origin') : ''),
    credentials: true,
    allowMethods: ['GET', 'POST'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key'],
    exposeHeaders: ['Retry-After', 'X-Request-Id', 'Idempotent-Replayed'],
    maxAge: 600,
  });
}

/**
 * Compresses public answers only (`isPublic` of a route). A compressed answer that holds a secret beside text of the
 * client's tells the secret by its length (BREACH, https://www.breachattack.com).
 */
function compressPublic(): Koa.Middleware {
  return compress({ filter: () => false, threshold: 4_096, br: false, zstd: false, deflate: false });
}

/** Serves the OpenAPI document. It is printed once a day, since its examples have dates in the future. */
function serveDocument(print: () => unknown): Koa.Middleware {
  let printed = { day: '', text: '' };
  return async (ctx, next) => {
    if (!isPath(ctx, '/openapi.json')) return next();
    ctx.state['route'] = '/openapi.json';
    refuseWrites(ctx);
    const day = new Date().toISOString().slice(0, 10);
    if (printed.day !== day) printed = { day, text: JSON.stringify(print()) };
    ctx.type = 'application/json';
    ctx.body = printed.text;
    ctx.compress = true;
  };
}
