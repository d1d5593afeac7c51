import type { Context } from 'koa';
import { Problem } from '../domain/problems.ts';

interface OriginPolicy {
  /** Origins beside our own that may send it. */
  allowedOrigins?: readonly string[];
  /** May a client send it that says nothing of where it comes from? No browser is silent with a POST. */
  allowSilent?: boolean;
}

/**
 * Refuses what another site makes the browser send (OWASP CSRF Cheat Sheet: fetch metadata, then Origin). What the
 * browser says of `same-origin` decides, whatever a proxy makes of `Host`; Origin counts only where a browser sends no
 * fetch metadata, or names an origin that is allowed.
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
  // `none`: the user's own doing, such as an address that was typed.
  const isSilent = origin === '' && (site === '' || site === 'none');
  if (!isSilent || !allowSilent) throw new Problem('cross_site');
}

/** Does `Origin` name this very host, as the proxies have handed it on? */
function isOwnOrigin(ctx: Context, origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === ctx.host;
}
