import type { Context } from 'koa';
import { Problem } from '../domain/problems.ts';

/** Is this the address that is asked for, with a slash at its end or without one? */
export const isAt = (ctx: Context, path: string): boolean => ctx.path === path || ctx.path === `${path}/`;

/** Does the `Origin` header name this very host, as the proxies have handed it on? */
export function isOwnOrigin(ctx: Context): boolean {
  const origin = ctx.get('Origin');
  return URL.canParse(origin) && new URL(origin).host === ctx.host;
}

/**
 * For an address that can only be read.
 * @throws Problem method_not_allowed
 */
export function refuseOtherMethods(ctx: Context): void {
  if (ctx.method === 'GET' || ctx.method === 'HEAD') return;
  throw new Problem('method_not_allowed', { detail: 'Use GET.', headers: { Allow: 'GET, HEAD' } });
}
