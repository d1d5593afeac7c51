import type { Context } from 'koa';
import type { LoggedIn } from '../../core/accounts/log-in.ts';
import { hashToken, newToken } from '../../core/accounts/tokens.ts';
import { revokeSession } from '../../db/sessions.ts';
import { Problem } from '../../domain/problems.ts';
import type { WebDeps } from '../deps.ts';
import { findPanelSession, type PanelSession } from './queries/sessions.ts';

/**
 * The panel's own session: an opaque random cookie, stored hashed, HttpOnly and SameSite=Strict. Neither the API's
 * tokens open the panel nor the panel's cookie the API. It lasts as long as the browser, at most a working day.
 */
export function createPanelSessions({ db, cookies, panelFormKey }: WebDeps) {
  return {
    /** Who is signed in, and is staff at this moment. */
    async find(ctx: Context): Promise<PanelSession | undefined> {
      const token = cookies.panel.read(ctx);
      return token === undefined ? undefined : findPanelSession(db, hashToken(token));
    },

    begin(ctx: Context, loggedIn: LoggedIn): void {
      cookies.setLogin(ctx, 'panel', loggedIn);
      cookies.panelForm.clear(ctx);
    },

    async end(ctx: Context, session: PanelSession): Promise<void> {
      await revokeSession(db, session.sessionId, 'logout');
      cookies.panel.clear(ctx);
    },

    /**
     * What a form of this session carries (OWASP CSRF Cheat Sheet: an HMAC bound to the session). Before the sign-in
     * it is bound to a cookie of its own, so that nobody is signed in to a stranger's account.
     */
    formToken(ctx: Context, session: PanelSession | undefined): string {
      let binding = session?.sessionId ?? cookies.panelForm.read(ctx);
      if (binding === undefined) {
        binding = newToken();
        cookies.panelForm.set(ctx, binding);
      }
      return panelFormKey.sign(binding).toString('base64url');
    },

    /** @throws Problem cross_site, when the form does not carry this session's token */
    checkFormToken(ctx: Context, session: PanelSession | undefined, token: string | undefined): void {
      const binding = session?.sessionId ?? cookies.panelForm.read(ctx);
      const isGenuine =
        binding !== undefined && panelFormKey.verify(binding, Buffer.from(token ?? '', 'base64url'));
      if (!isGenuine) {
        throw new Problem('cross_site', {
          detail: 'This form is too old or not from here. Load the page again.',
        });
      }
    },
  };
}

export type PanelSessions = ReturnType<typeof createPanelSessions>;
