import type { Context } from 'koa';
import { Problem } from '../domain/problems.ts';

/** Does the request ask for this path, with or without a slash at its end? */
export const isPath = (ctx: Context, path: string): boolean => ctx.path === path || ctx.path === `${path}/`;

/**
 * Refuses all methods but GET and HEAD.
 * @throws Problem method_not_allowed
 */
export function refuseWrites(ctx: Context): void {
  if (ctx.method === 'GET' || ctx.method === 'HEAD') return;
  throw new Problem('method_not_allowed', { detail: 'Use GET.', allowedMethods: ['GET', 'HEAD'] });
}
