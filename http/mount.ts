import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { jsonBodyBytesMax, queryBytesMax, requestMs } from '../domain/limits.ts';
import { Problem } from '../domain/problems.ts';
import { type AuthDeps, authenticate } from './auth/authenticate.ts';
import type { Caller } from './auth/caller.ts';
import { inputProblem } from './problems.ts';
import { refuseMethod } from './refuse-method.ts';
import type { Route } from './route.ts';

const parseJson = bodyParser({ enableTypes: ['json'], jsonLimit: jsonBodyBytesMax, encoding: 'utf-8' });

/** Serves the routes: authorise, check the input, handle, check the answer. */
export function mount(routes: readonly Route[], deps: AuthDeps): Middleware {
  const router = new Router();
  for (const route of routes) {
    // Registered without its trailing slash, a path is served with and without one.
    const path = route.path.replace(/\/$/, '').replace(/\{(\w+)\}/g, ':$1');
    router.register(path, [route.method.toLowerCase()], (ctx: Context) => serve(route, ctx, deps));
  }
  const serveRoutes = router.routes() as unknown as Middleware;
  return async (ctx, next) => {
    if (ctx.querystring.length > queryBytesMax) throw new Problem('uri_too_long');
    await serveRoutes(ctx, async () => {
      refuseMethod(router, ctx);
      return next();
    });
  };
}

async function serve(route: Route, ctx: Context, deps: AuthDeps): Promise<void> {
  ctx.state['route'] = route.path;
  const caller = await authorise(route, ctx, deps);
  const params = route.params && parse(route.params, ctx['params'], () => new Problem('not_found'));
  const query = route.query && parse(route.query, { ...ctx.query }, inputProblem);
  const body =
    route.body && parse(route.body, await readJson(ctx, route.bodyOptional ?? false), inputProblem);
  const call = { caller: caller as never, params, query, body, ctx };
  const answer = await withDeadline(route.deadlineMs ?? requestMs, route.handle(call));
  ctx.status = route.status;
  sendJson(ctx, route.response.parse(answer), route.isPublic ?? false);
}

function sendJson(ctx: Context, answer: unknown, isPublic: boolean): void {
  ctx.body = isPublic ? JSON.stringify(answer) : answer;
  if (!isPublic) return;
  ctx.type = 'application/json';
  ctx.compress = true;
}

async function authorise(route: Route, ctx: Context, deps: AuthDeps): Promise<Caller | undefined> {
  if (route.access === 'anyone') return undefined;
  const caller = await authenticate(ctx, deps, { isRead: route.method === 'GET' });
  ctx.state['userId'] = caller.userId;
  // No cache may keep an answer that is for one caller.
  ctx.set('Cache-Control', 'no-store');
  if (route.access === 'staff' && !caller.isStaff) throw new Problem('staff_only');
  return caller;
}

function parse<T>(schema: z.ZodType<T>, input: unknown, refuse: (error: z.ZodError) => Problem): T {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw refuse(parsed.error);
  return parsed.data;
}

async function readJson(ctx: Context, optional: boolean): Promise<unknown> {
  const empty =
    ctx.request.length === 0 || (ctx.request.length === undefined && !ctx.get('Transfer-Encoding'));
  if (optional && empty) return {};
  const charset = ctx.request.charset.toLowerCase();
  const plain = ['', 'identity'].includes(ctx.get('Content-Encoding').toLowerCase());
  if (
    ctx.request.type.toLowerCase() !== 'application/json' ||
    (charset !== '' && charset !== 'utf-8') ||
    !plain
  ) {
    throw new Problem('unsupported_media_type');
  }
  try {
    await parseJson(ctx, async () => {});
  } catch (error) {
    // The parser throws the bare error of JSON.parse, which would count as a bug here.
    if (error instanceof SyntaxError) throw new Problem('malformed_json');
    throw error;
  }
  return ctx.request.body;
}

const noAnswerInTime = () =>
  new Problem('overloaded', {
    detail: 'No answer in time. What was asked may or may not have been done; asking again is safe.',
    retryAfterSeconds: 1,
  });

/** The answer, or 503 if there is none in time: the outcome is then unknown, and repeating the request is safe. */
async function withDeadline<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswerInTime()), deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
