import { timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { hashOf } from './cookie-tokens.ts';
import { Problem } from '../domain/problems.ts';

/**
 * Lets in only who sends this very token, where one is set: machines' routes, not people's. Compared by hash, so that
 * the time tells nothing. `setting` names the token to whoever forgot it.
 * @throws Problem unauthenticated
 */
export function requireToken(ctx: Context, token: string | undefined, setting: string): void {
  if (token === undefined) return;
  const sent = /^Bearer (.{1,512})$/.exec(ctx.get('Authorization'))?.[1] ?? '';
  if (timingSafeEqual(hashOf(sent), hashOf(token))) return;
  const detail = `Send the header "Authorization: Bearer <${setting}>".`;
  throw new Problem('unauthenticated', { detail, headers: { 'WWW-Authenticate': 'Bearer' } });
}
