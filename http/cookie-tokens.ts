import { createHash, randomBytes } from 'node:crypto';
import type { Context } from 'koa';

/** An opaque token: 256 random bits. What is stored is its hash. */
export const newToken = () => randomBytes(32).toString('base64url');
export const hashOf = (token: string) => createHash('sha256').update(token).digest();

/** Whatever else is sent is no token of ours. */
const tokenShape = /^[\w-]{1,128}$/;

interface CookieOptions {
  name: string;
  debug: boolean;
  /** Without it the cookie lasts as long as the browser. */
  maxAgeSeconds?: number;
}

/**
 * A cookie that carries a token, HttpOnly and SameSite=Strict. Outside debug its name has the `__Host-` prefix, which
 * browsers take only with Secure, Path=/ and no Domain.
 */
export function createTokenCookie({ name: bareName, debug, maxAgeSeconds }: CookieOptions) {
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
      return value !== undefined && tokenShape.test(value) ? value : undefined;
    },
    set: (ctx: Context, token: string) => write(ctx, token, maxAgeSeconds),
    clear: (ctx: Context) => write(ctx, '', 0),
  };
}
