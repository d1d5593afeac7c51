import type Router from '@koa/router';
import type { Context } from 'koa';
import { Problem } from '../domain/problems.ts';

/**
 * For a request that no route of the router has answered: refuses it where another method would do. Returns when the
 * router does not have the path at all.
 * @throws Problem method_not_allowed
 */
export function refuseMethod(router: Router, ctx: Context): void {
  const methods = router.stack.filter((layer) => layer.match(ctx.path)).flatMap((layer) => layer.methods);
  if (methods.length === 0) return;
  const allowedMethods = [...new Set(methods)].sort();
  throw new Problem('method_not_allowed', { detail: `Use ${allowedMethods.join(', ')}.`, allowedMethods });
}
