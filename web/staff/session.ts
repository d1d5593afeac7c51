import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { findPanelSession, insertPanelSession, type PanelSession } from './queries/sessions.ts';
import { type Login, revokeSession } from '../../db/sessions.ts';
import { Problem } from '../../domain/problems.ts';
import { createTokenCookie, hashOf, newToken } from '../../http/cookie-tokens.ts';
import type { WebDeps } from '../deps.ts';
import { isOwnOrigin } from '../../http/reading.ts';

/**
 * The panel's own session: an opaque random cookie, stored hashed, HttpOnly and SameSite=Strict. Neither the API's
 * tokens open the panel nor the panel's cookie the API. It lasts as long as the browser, at most a working day.
 */
export function createPanelSessions({ db, config }: WebDeps) {
  const { debug } = config;
  const sessionCookie = createTokenCookie({ name: 'panel', debug });
  const formCookie = createTokenCookie({ name: 'panel-form', debug });

  const sign = (key: string, binding: string) =>
    createHmac('sha256', key).update(`panel-form:${binding}`).digest();

  return {
    /** Who is signed in, and is staff at this moment. */
    async find(ctx: Context): Promise<PanelSession | undefined> {
      const token = sessionCookie.read(ctx);
      return token === undefined ? undefined : findPanelSession(db, hashOf(token));
    },

    /** @throws Problem invalid_credentials, when the password was reset since the login was verified */
    async begin(ctx: Context, login: Login): Promise<void> {
      const token = newToken();
      const begun = await insertPanelSession(db, login, { id: randomUUID(), tokenHash: hashOf(token) });
      if (!begun) throw new Problem('invalid_credentials');
      sessionCookie.set(ctx, token);
      formCookie.clear(ctx);
    },

    async end(ctx: Context, session: PanelSession): Promise<void> {
      await revokeSession(db, session.sessionId, 'logout');
      sessionCookie.clear(ctx);
    },

    /**
     * What a form of this session carries (OWASP CSRF Cheat Sheet: an HMAC bound to the session). Before the sign-in
     * it is bound to a cookie of its own, so that nobody is signed in to a stranger's account.
     */
    formToken(ctx: Context, session: PanelSession | undefined): string {
      let binding = session?.sessionId ?? formCookie.read(ctx);
      if (binding === undefined) {
        binding = newToken();
        formCookie.set(ctx, binding);
      }
      return sign(config.auth.secretKeys[0] as string, binding).toString('base64url');
    },

    /** @throws Problem cross_site, when the form does not carry this session's token */
    checkFormToken(ctx: Context, session: PanelSession | undefined, given: string | undefined): void {
      const binding = session?.sessionId ?? formCookie.read(ctx);
      const sent = Buffer.from(given ?? '', 'base64url');
      const genuine =
        binding !== undefined &&
        config.auth.secretKeys.some((key) => {
          const expected = sign(key, binding);
          return sent.length === expected.length && timingSafeEqual(sent, expected);
        });
      if (!genuine) throw staleForm();
    },
  };
}

export type PanelSessions = ReturnType<typeof createPanelSessions>;

const staleForm = () =>
  new Problem('cross_site', { detail: 'This form is too old or not from here. Load the page again.' });

/**
 * Refuses what another site makes the browser send. Fetch metadata decides, whatever a proxy makes of `Host`; Origin
 * only where a browser does not send it. A browser says one of the two with every form; what says neither is no form of
 * ours.
 * @throws Problem cross_site
 */
export function refuseForeignForm(ctx: Context): void {
  const site = ctx.get('Sec-Fetch-Site');
  const own = site === '' ? isOwnOrigin(ctx) : site === 'same-origin';
  if (!own) throw new Problem('cross_site');
}
