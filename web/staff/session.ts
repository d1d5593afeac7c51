import type { Context } from 'koa';
import type { LoggedIn } from '../../core/accounts/log-in.ts';
import { hashToken, newToken } from '../../core/accounts/tokens.ts';
import { revokeSession } from '../../db/sessions.ts';
import { Problem } from '../../domain/problems.ts';
import type { WebDeps } from '../deps.ts';
import { findPanelSession, type PanelSession } from './queries/sessions.ts';

/**
 * The panel's own sessions: an opaque random cookie, stored hashed, HttpOnly and SameSite=Strict. The API's tokens do
 * not open the panel, nor does this cookie open the API. A session ends with the browser, or after a working day.
 */
export function createPanelSessions({ db, cookies, panelFormKey }: WebDeps) {
  return {
    /** The session of this request, if its user is staff at this moment. */
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
     * The token that every form of this session carries (OWASP CSRF Cheat Sheet: an HMAC bound to the session). The
     * sign-in form has no session yet, so its token is bound to a cookie of its own: otherwise another site could sign
     * a browser in to its own account.
     */
    formToken(ctx: Context, session: PanelSession | undefined): string {
      let binding = session?.sessionId ?? cookies.panelForm.read(ctx);
      if (binding === undefined) {
        binding = newToken();
        cookies.panelForm.set(ctx, binding);
      }
      return panelFormKey.sign(binding).toString('base64url');
    },

    /** @throws Problem cross_site, if the form does not carry this session's token */
    checkFormToken(ctx: Context, session: PanelSession | undefined, token: string | undefined): void {
      const binding = session?.sessionId ?? cookies.panelForm.read(ctx);
      const isGenuine =
        binding !== undefined && panelFormKey.verify(binding, Buffer.from(token ?? '', 'base64url'));
      if (!isGenuine) {
        throw new Problem('cross_site', {
          detail: 'This form has expired. Reload the page and try again.',
        });
      }
    },
  };
}

export type PanelSessions = ReturnType<typeof createPanelSessions>;
