import type { Context } from 'koa';
import { deviceCookieShape } from '../../core/accounts/devices.ts';
import type { LoggedIn } from '../../core/accounts/log-in.ts';
import { deviceDays, refreshTokenDays } from '../../domain/limits.ts';

/** The shape of an opaque token; a value of another shape is not ours. */
const tokenShape = /^[\w-]{1,128}$/;

interface CookieOptions {
  name: string;
  debug: boolean;
  /** Without it the cookie lasts as long as the browser. */
  maxAgeSeconds?: number;
  /** A value of another shape is not read. Default: that of a token. */
  shape?: RegExp;
}

/**
 * A cookie that no script reads and no other site sends: HttpOnly and SameSite=Strict. Outside debug its name has the
 * `__Host-` prefix, which browsers take only with Secure, Path=/ and no Domain.
 */
function createCookie({ name: bareName, debug, maxAgeSeconds, shape = tokenShape }: CookieOptions) {
  const name = debug ? bareName : `__Host-${bareName}`;

  function write(ctx: Context, value: string, lifeSeconds: number | undefined): void {
    const attributes = ['Path=/', 'HttpOnly', 'SameSite=Strict'];
    if (lifeSeconds !== undefined) attributes.push(`Max-Age=${lifeSeconds}`);
    if (!debug) attributes.push('Secure');
    // Not ctx.cookies: behind a TLS proxy Koa sees plain HTTP and refuses to set a secure cookie.
    ctx.append('Set-Cookie', [`${name}=${value}`, ...attributes].join('; '));
    ctx.set('Cache-Control', 'no-store');
  }

  return {
    name,
    read(ctx: Context): string | undefined {
      const value = ctx.cookies.get(name);
      return value !== undefined && shape.test(value) ? value : undefined;
    },
    set: (ctx: Context, value: string) => write(ctx, value, maxAgeSeconds),
    clear: (ctx: Context) => write(ctx, '', 0),
  };
}

const daySeconds = 86_400;

/** The cookies of accounts, for the API and the staff panel. */
export function createAccountCookies(debug: boolean) {
  const cookies = {
    refreshToken: createCookie({
      name: 'refresh_token',
      debug,
      maxAgeSeconds: refreshTokenDays * daySeconds,
    }),
    device: createCookie({
      name: 'device',
      debug,
      maxAgeSeconds: deviceDays * daySeconds,
      shape: deviceCookieShape,
    }),
    panel: createCookie({ name: 'panel', debug }),
    panelForm: createCookie({ name: 'panel-form', debug }),
  };
  return {
    ...cookies,
    /** After a login: the cookie of its session, and the device's. */
    setLogin(ctx: Context, session: 'refreshToken' | 'panel', { token, deviceCookie }: LoggedIn): void {
      cookies[session].set(ctx, token);
      cookies.device.set(ctx, deviceCookie);
    },
  };
}

export type AccountCookies = ReturnType<typeof createAccountCookies>;
