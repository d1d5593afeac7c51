import type { Context } from 'koa';
import type { Visitor } from '../../core/accounts/check-credentials.ts';
import type { Deps } from '../deps.ts';
import { addressKey } from '../http/rate-limit.ts';

/** Where a login comes from. */
export const visitorOf = (ctx: Context, { cookies }: Pick<Deps, 'cookies'>): Visitor => ({
  address: addressKey(ctx.ip),
  deviceCookie: cookies.device.read(ctx),
});
