import { timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { hashToken } from '../core/accounts/tokens.ts';
import { Problem } from '../domain/problems.ts';

/**
 * Refuses requests without this token, if one is set; for routes that machines call. The hashes are compared, so that
 * the time taken tells nothing of the token. `setting` names it in the refusal.
 * @throws Problem unauthenticated
 */
export function requireToken(ctx: Context, token: string | undefined, setting: string): void {
  if (token === undefined) return;
  const sent = /^Bearer (.{1,512})$/.exec(ctx.get('Authorization'))?.[1] ?? '';
  if (timingSafeEqual(hashToken(sent), hashToken(token))) return;
  const detail = `Send the header "Authorization: Bearer <${setting}>".`;
  throw new Problem('unauthenticated', { detail });
}
