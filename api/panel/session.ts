import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { findPanelSession, insertPanelSession, type PanelSession } from '../../db/panel/sessions.ts';
import { type Login, revokeSession } from '../../db/sessions.ts';
import { Problem } from '../../domain/problems.ts';
import type { Deps } from '../deps.ts';

const hashOf = (token: string) => createHash('sha256').update(token).digest();
const newToken = () => randomBytes(32).toString('base64url');
const tokenShape = /^[\w-]{43}$/;

/**
 * The panel's own session: an opaque random cookie, stored hashed, HttpOnly and SameSite=Strict. Neither the API's
 * tokens open the panel nor the panel's cookie the API. It lasts as long as the browser, at most a working day.
 */
export function createPanelSessions({ db, config }: Deps) {
  const prefix = config.debug ? '' : '__Host-';
  const cookies = { session: `${prefix}panel`, form: `${prefix}panel-form` };

  function setCookie(ctx: Context, name: string, value: string): void {
    const attributes = ['Path=/', 'HttpOnly', 'SameSite=Strict'];
    if (value === '') attributes.push('Max-Age=0');
    if (!config.debug) attributes.push('Secure');
    ctx.append('Set-Cookie', [`${name}=${value}`, ...attributes].join('; '));
  }

  function readCookie(ctx: Context, name: string): string | undefined {
    const value = ctx.cookies.get(name);
    return value !== undefined && tokenShape.test(value) ? value : undefined;
  }

  const sign = (key: string, binding: string) =>
    createHmac('sha256', key).update(`panel-form:${binding}`).digest();

  return {
    /** Who is signed in, and is staff at this moment. */
    async find(ctx: Context): Promise<PanelSession | undefined> {
      const token = readCookie(ctx, cookies.session);
      return token === undefined ? undefined : findPanelSession(db, hashOf(token));
    },

    /** @throws Problem invalid_credentials, when the password was reset since the login was verified */
    async begin(ctx: Context, login: Login): Promise<void> {
      const token = newToken();
      const begun = await insertPanelSession(db, login, { id: randomUUID(), tokenHash: hashOf(token) });
      if (!begun) throw new Problem('invalid_credentials');
      setCookie(ctx, cookies.session, token);
      setCookie(ctx, cookies.form, '');
    },

    async end(ctx: Context, session: PanelSession): Promise<void> {
      await revokeSession(db, session.sessionId, 'logout');
      setCookie(ctx, cookies.session, '');
    },

    /**
     * What a form of this session carries (OWASP CSRF Cheat Sheet: an HMAC bound to the session). Before the sign-in
     * it is bound to a cookie of its own, so that nobody is signed in to a stranger's account.
     */
    formToken(ctx: Context, session: PanelSession | undefined): string {
      let binding = session?.sessionId ?? readCookie(ctx, cookies.form);
      if (binding === undefined) {
        binding = newToken();
        setCookie(ctx, cookies.form, binding);
      }
      return sign(config.auth.secretKeys[0] as string, binding).toString('base64url');
    },

    /** @throws Problem cross_site, when the form does not carry this session's token */
    checkFormToken(ctx: Context, session: PanelSession | undefined, given: string | undefined): void {
      const binding = session?.sessionId ?? readCookie(ctx, cookies.form);
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
 * Refuses what another site makes the browser send (fetch metadata, then Origin). A browser says one of the two
 * with every form; what says neither is no form of ours.
 * @throws Problem cross_site
 */
export function refuseForeignForm(ctx: Context): void {
  const origin = ctx.get('Origin');
  const site = ctx.get('Sec-Fetch-Site');
  const ownOrigin = URL.canParse(origin) && new URL(origin).host === ctx.host;
  if (origin !== '' && !ownOrigin) throw new Problem('cross_site');
  if (site !== '' && site !== 'same-origin') throw new Problem('cross_site');
  if (origin === '' && site === '') throw new Problem('cross_site');
}
