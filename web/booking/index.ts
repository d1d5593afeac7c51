import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Context, Middleware } from 'koa';
import type { Config } from '../../config.ts';
import { createFiles } from '../../http/files.ts';
import { refuseWrites } from '../../http/read-only-path.ts';
import { bookingPage, docsPage, paymentPage, problemsPage } from './pages.tsx';
import { bookingPolicy, docsPolicy, plainPolicy } from './policy.ts';
import { siteSettings } from './settings.ts';

interface Page {
  html: string;
  policy: string;
}

/** Our own files change with every release, so a browser asks each time and is mostly answered 304. */
const ownFiles = 'no-cache';
/** Swagger UI changes when its version does. */
const swaggerFiles = 'public, max-age=86400';

const assets = new URL('./assets/', import.meta.url);
const swaggerNames = ['swagger-ui.css', 'swagger-ui-bundle.js'];

/** The pages for guests and for developers of clients. They use the public API only. */
export function site({ config }: { config: Config }): Middleware {
  const settings = siteSettings(config);
  const pages = new Map<string, Page>([
    ['/', { html: bookingPage(settings), policy: bookingPolicy(settings) }],
    ['/payment/success', { html: paymentPage('success'), policy: plainPolicy }],
    ['/payment/cancel', { html: paymentPage('cancel'), policy: plainPolicy }],
    ['/docs', { html: docsPage(), policy: docsPolicy }],
    ['/docs/problems', { html: problemsPage(), policy: plainPolicy }],
  ]);
  // Stripe.js needs to know which site has loaded it.
  const referrer = settings.payment.kind === 'stripe' ? 'strict-origin-when-cross-origin' : 'same-origin';
  const own = createFiles(
    Object.fromEntries([
      ['/site/tokens.css', new URL('../tokens.css', import.meta.url)],
      ...readdirSync(assets).map((name) => [`/site/${name}`, new URL(name, assets)]),
    ]),
  );
  const swagger = createFiles(
    Object.fromEntries(swaggerNames.map((name) => [`/docs/${name}`, swaggerFile(name)])),
  );

  return async (ctx, next) => {
    if (!isSitePath(ctx.path)) return next();
    const page = pages.get(ctx.path) ?? pages.get(ctx.path.replace(/\/$/, ''));
    if (page) {
      refuseWrites(ctx);
      ctx.set('Referrer-Policy', referrer);
      return servePage(ctx, page);
    }
    if (ctx.method === 'GET' || ctx.method === 'HEAD') {
      ctx.state['route'] = ctx.path.startsWith('/docs') ? '/docs/*' : '/site/*';
      if (await own.serve(ctx, ownFiles)) return;
      if (await swagger.serve(ctx, swaggerFiles)) return;
    }
    return next();
  };
}

/** Is this address one of the site's? Every request to the API is checked, so this is cheap. */
function isSitePath(path: string): boolean {
  return (
    path === '/' || path.startsWith('/site/') || path.startsWith('/docs') || path.startsWith('/payment/')
  );
}

function servePage(ctx: Context, { html, policy }: Page): void {
  ctx.state['route'] = ctx.path === '/' ? '/' : ctx.path.replace(/\/$/, '');
  ctx.set('Content-Security-Policy', policy);
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = html;
}

/** A file of the installed package `swagger-ui-dist`. */
function swaggerFile(name: string): URL {
  const manifest = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json');
  return pathToFileURL(join(dirname(manifest), name));
}
