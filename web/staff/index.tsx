import type { Context, Middleware } from 'koa';
import { integerMax, queryBytesMax } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import type { WebDeps } from '../deps.ts';
import { createFiles, type Files } from '../../http/files.ts';
import { problemHeaders, toProblem } from '../../http/problems.ts';
import { refuseForeign } from '../../http/same-origin.ts';
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
import { goTo, type PanelRoute, respond } from './visit.ts';

const root = '/admin';

/**
 * The staff panel: server-rendered pages at /admin, for the eyes of staff only. Everything is refused until the
 * session's user is staff; what is not listed here does not exist. Every form carries its session's token.
 */
export function panel(deps: WebDeps): Middleware {
  const sessions = createPanelSessions(deps);
  const looks = createFiles({
    [`${root}/panel.css`]: new URL('./assets/panel.css', import.meta.url),
    [`${root}/icon.svg`]: new URL('./assets/icon.svg', import.meta.url),
  });
  const routes: PanelRoute[] = [
    ...frontPages(deps),
    ...listPages(deps),
    ...bookingPages(deps),
    ...dayPages(deps),
    ...roomPages(deps),
    ...userPages(deps),
    ...flagPages(deps),
  ];
  return async (ctx, next) => {
    if (!isPanelPath(ctx.path)) return next();
    setHeaders(ctx);
    try {
      if (await serveLooks(ctx, looks)) return;
      await serve(ctx, deps, sessions, routes);
    } catch (error) {
      renderFailure(ctx, error);
    }
  };
}

/** Is this one of the panel's addresses? Cheap, because every request of the API is asked. */
export function isPanelPath(path: string): boolean {
  return path.startsWith(root) && (path.length === root.length || path[root.length] === '/');
}

/** Nothing but our own stylesheet and picture may load, no script runs, no other site may show or read a page. */
function setHeaders(ctx: Context): void {
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  ctx.set('Content-Security-Policy', policy.join('; '));
  // With no-referrer a browser would send `Origin: null` with our own forms (Fetch standard, "Origin" header).
  ctx.set('Referrer-Policy', 'same-origin');
  ctx.set('Cache-Control', 'no-store');
}

async function serve(
  ctx: Context,
  deps: WebDeps,
  sessions: PanelSessions,
  routes: readonly PanelRoute[],
): Promise<void> {
  const path = ctx.path.slice(root.length).replace(/\/$/, '') || '/';
  const method = ctx.method === 'HEAD' ? 'GET' : ctx.method;
  if (ctx.querystring.length > queryBytesMax) throw new Problem('uri_too_long');
  if (method !== 'GET') refuseForeign(ctx);
  if (path === '/sign-in') return serveSignIn(ctx, deps, sessions, method);

  const session = await sessions.find(ctx);
  if (!session) return showSignIn(ctx, sessions, { status: 401 });
  ctx.state['userId'] = session.userId;
  const csrf = sessions.formToken(ctx, session);
  const form = method === 'POST' ? await readForm(ctx) : {};
  if (method === 'POST') sessions.checkFormToken(ctx, session, form['csrf']);
  if (method === 'POST' && path === '/sign-out') {
    await sessions.end(ctx, session);
    return goTo(ctx, `${root}/sign-in`);
  }
  const { route, ids } = findRoute(routes, method, path);
  ctx.state['route'] = root + route.path;
  await route.serve({ ctx, staff: session, csrf, ids, form });
}

async function serveSignIn(
  ctx: Context,
  deps: WebDeps,
  sessions: PanelSessions,
  method: string,
): Promise<void> {
  ctx.state['route'] = `${root}/sign-in`;
  if (method === 'GET') return showSignIn(ctx, sessions, { status: 200 });
  if (method !== 'POST') throw new Problem('method_not_allowed', { allowedMethods: ['GET', 'HEAD', 'POST'] });
  const form = await readForm(ctx);
  sessions.checkFormToken(ctx, undefined, form['csrf']);
  await signIn(ctx, deps, sessions, form);
}

function findRoute(routes: readonly PanelRoute[], method: string, path: string) {
  const matches = routes.flatMap((route) => {
    const ids = match(route.path, path);
    return ids ? [{ route, ids }] : [];
  });
  const found = matches.find(({ route }) => route.method === method);
  if (found) return found;
  if (matches.length === 0) throw new Problem('not_found');
  const allowedMethods = matches.flatMap(({ route }) =>
    route.method === 'GET' ? ['GET', 'HEAD'] : [route.method],
  );
  throw new Problem('method_not_allowed', { allowedMethods });
}

/** The numbers that a path has where its pattern says `:id`; undefined when it is another path. */
function match(pattern: string, path: string): number[] | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const ids: number[] = [];
  for (const [index, part] of wanted.entries()) {
    if (part === ':id' && /^[1-9]\d{0,9}$/.test(given[index] ?? '')) ids.push(Number(given[index]));
    else if (part !== given[index]) return undefined;
  }
  return ids.every((id) => id <= integerMax) ? ids : undefined;
}

/** A refusal becomes a page that says so; anything else is a bug: logged once (access-log), a bare 500. */
function renderFailure(ctx: Context, error: unknown): void {
  const problem = toProblem(error);
  if (!problem) ctx.state['failure'] = error;
  const shown = problem ?? new Problem('internal_error');
  ctx.set(problemHeaders(shown));
  const requestId = String(ctx.state['requestId'] ?? '');
  respond(ctx, shown.status, <ProblemPage problem={shown} requestId={requestId} />);
}

/** The panel's looks hold no secret: they are needed to sign in. */
async function serveLooks(ctx: Context, looks: Files): Promise<boolean> {
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return false;
  if (!(await looks.serve(ctx, 'public, max-age=300'))) return false;
  ctx.state['route'] = ctx.path;
  return true;
}
