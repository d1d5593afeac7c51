import type { Context } from 'koa';
import type { Visitor } from '../core/accounts/check-credentials.ts';
import { addressKey } from './client-address.ts';
import type { AccountCookies } from './auth/cookies.ts';

/** The address and the device that a login comes from. */
export const visitorOf = (ctx: Context, { cookies }: { cookies: AccountCookies }): Visitor => ({
  address: addressKey(ctx.ip),
  deviceCookie: cookies.device.read(ctx),
});
