import type { Context } from 'koa';
import { Problem } from '../domain/problems.ts';

interface OriginPolicy {
  /** Other origins that may send the request. */
  allowedOrigins?: readonly string[];
  /** May a client send it that does not say where it comes from? Every browser says so with a POST. */
  allowSilent?: boolean;
}

/**
 * Refuses requests that another site makes the browser send (OWASP CSRF Cheat Sheet: fetch metadata, then Origin). If
 * the browser says `same-origin`, that decides, whatever a proxy does to `Host`. Origin counts if it is allowed, or if
 * the browser sends no fetch metadata.
 * @throws Problem cross_site
 */
export function refuseForeign(
  ctx: Context,
  { allowedOrigins = [], allowSilent = false }: OriginPolicy = {},
): void {
  const site = ctx.get('Sec-Fetch-Site');
  const origin = ctx.get('Origin');
  if (site === 'same-origin' || allowedOrigins.includes(origin)) return;
  if (site === '' && isOwnOrigin(ctx, origin)) return;
  // `none`: the user's own action, such as a typed address.
  const isSilent = origin === '' && (site === '' || site === 'none');
  if (!isSilent || !allowSilent) throw new Problem('cross_site');
}

/** Does `Origin` name this host, as proxies have forwarded it? */
function isOwnOrigin(ctx: Context, origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === ctx.host;
}
