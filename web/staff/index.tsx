import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { queryBytesMax } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import type { WebDeps } from '../deps.ts';
import { createFiles, type Files } from '../../http/files.ts';
import { problemHeaders, toProblem } from '../../http/problems.ts';
import { refuseMethod } from '../../http/refuse-method.ts';
import { refuseForeign } from '../../http/same-origin.ts';
import { idText } from '../../http/schemas.ts';
import { contentPolicy } from '../policy.ts';
import { readForm } from './form.ts';
import { bookingPages } from './pages/booking.tsx';
import { dayPages } from './pages/day.tsx';
import { ProblemPage } from './pages/problem.tsx';
import { flagPages } from './pages/flags.tsx';
import { frontPages } from './pages/front.tsx';
import { listPages } from './pages/lists.tsx';
import { roomPages } from './pages/room.tsx';
import { signIn, showSignIn } from './pages/sign-in.tsx';
import { userPages } from './pages/user.tsx';
import { createPanelSessions, type PanelSessions } from './session.ts';
import { goTo, type PanelRoute, respond } from './panel-request.ts';

const root = '/admin';
/** The panel runs no script. */
const panelPolicy = contentPolicy();

/**
 * The staff panel: server-rendered pages at /admin. Without the session of an active member of staff every request,
 * also for an address that does not exist, gets the sign-in.
 */
export function panel(deps: WebDeps): Middleware {
  const sessions = createPanelSessions(deps);
  const assets = createFiles({
    [`${root}/tokens.css`]: new URL('../tokens.css', import.meta.url),
    [`${root}/panel.css`]: new URL('./assets/panel.css', import.meta.url),
    [`${root}/icon.svg`]: new URL('./assets/icon.svg', import.meta.url),
  });
  const router = createRouter(deps, sessions);
  const serveRoutes = router.routes() as unknown as Middleware;
  return async (ctx, next) => {
    if (!isPanelPath(ctx.path)) return next();
    setHeaders(ctx);
    try {
      if (await serveAssets(ctx, assets)) return;
      if (ctx.querystring.length > queryBytesMax) throw new Problem('uri_too_long');
      if (!isRead(ctx)) refuseForeign(ctx);
      await serveRoutes(ctx, () => serveStaff(ctx, sessions, async () => refuseUnknown(router, ctx)));
    } catch (error) {
      renderFailure(ctx, error);
    }
  };
}

function createRouter(deps: WebDeps, sessions: PanelSessions): Router {
  const router = new Router({ prefix: root, sensitive: true });
  const add = (method: string, path: string, serve: (ctx: Context) => Promise<void> | void) =>
    router.register(path, [method], (ctx: Context) => {
      ctx.state['route'] = root + path;
      return serve(ctx);
    });
  add('GET', '/sign-in', (ctx) => showSignIn(ctx, sessions, { status: 200 }));
  add('POST', '/sign-in', async (ctx) => {
    const form = await readForm(ctx);
    sessions.checkFormToken(ctx, undefined, form['csrf']);
    await signIn(ctx, deps, sessions, form);
  });
  for (const route of listPanelRoutes(deps, sessions)) {
    add(route.method, route.path, (ctx) => serveStaff(ctx, sessions, (request) => route.serve(request)));
  }
  return router;
}

function listPanelRoutes(deps: WebDeps, sessions: PanelSessions): PanelRoute[] {
  const signOut: PanelRoute = {
    method: 'POST',
    path: '/sign-out',
    async serve({ ctx, staff }) {
      await sessions.end(ctx, staff);
      goTo(ctx, `${root}/sign-in`);
    },
  };
  return [
    signOut,
    ...frontPages(deps),
    ...listPages(deps),
    ...bookingPages(deps),
    ...dayPages(deps),
    ...roomPages(deps),
    ...userPages(deps),
    ...flagPages(deps),
  ];
}

/** Is this address one of the panel's? Every request to the API is checked, so this is cheap. */
export function isPanelPath(path: string): boolean {
  return path.startsWith(root) && (path.length === root.length || path[root.length] === '/');
}

/** Only our own stylesheets and pictures may load, no script runs, and no other site may show or read a page. */
function setHeaders(ctx: Context): void {
  ctx.set('Content-Security-Policy', panelPolicy);
  // With no-referrer a browser would send `Origin: null` with our own forms (Fetch standard, "Origin" header).
  ctx.set('Referrer-Policy', 'same-origin');
  ctx.set('Cache-Control', 'no-store');
}

const isRead = ({ method }: Context) => method === 'GET' || method === 'HEAD';

/** Hands a request with the session of staff to its route, and its form when it carries that session's token. */
async function serveStaff(ctx: Context, sessions: PanelSessions, serve: PanelRoute['serve']): Promise<void> {
  const staff = await sessions.find(ctx);
  if (!staff) return showSignIn(ctx, sessions, { status: 401 });
  ctx.state['userId'] = staff.userId;
  const csrf = sessions.formToken(ctx, staff);
  const form = ctx.method === 'POST' ? await readForm(ctx) : {};
  if (ctx.method === 'POST') sessions.checkFormToken(ctx, staff, form['csrf']);
  await serve({ ctx, staff, csrf, ids: readIds(ctx), form });
}

/** @throws Problem not_found, when a parameter of the path cannot be an id */
function readIds(ctx: Context): Record<string, number> {
  const params: Record<string, string> = ctx['params'] ?? {};
  const ids = Object.entries(params).map(([name, value]) => [name, idText.safeParse(value).data] as const);
  if (ids.some(([, id]) => id === undefined)) throw new Problem('not_found');
  return Object.fromEntries(ids) as Record<string, number>;
}

function refuseUnknown(router: Router, ctx: Context): never {
  refuseMethod(router, ctx);
  throw new Problem('not_found');
}

/** Shows a refusal as a page. Anything else is a bug: access-log logs it once, and the page only says 500. */
function renderFailure(ctx: Context, error: unknown): void {
  const problem = toProblem(error);
  if (!problem) ctx.state['failure'] = error;
  const shown = problem ?? new Problem('internal_error');
  ctx.set(problemHeaders(shown));
  const requestId = String(ctx.state['requestId'] ?? '');
  respond(ctx, shown.status, <ProblemPage problem={shown} requestId={requestId} />);
}

/** Stylesheets and pictures hold no secret, and the sign-in needs them. */
async function serveAssets(ctx: Context, assets: Files): Promise<boolean> {
  if (!isRead(ctx)) return false;
  if (!(await assets.serve(ctx, 'public, max-age=300'))) return false;
  ctx.state['route'] = ctx.path;
  return true;
}
