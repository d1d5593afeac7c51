import type { Context } from 'koa';
import { Problem } from '../../../domain/problems.ts';
import { problemHeaders } from '../../../http/problems.ts';
import { passwordBytesMax } from '../../../domain/limits.ts';
import { logInToPanel } from '../../../core/accounts/log-in.ts';
import { visitorOf } from '../../../http/visitor.ts';
import type { WebDeps } from '../../deps.ts';
import type { Form } from '../form.ts';
import { Document } from '../layout.tsx';
import { Alert, Field } from '../parts.tsx';
import type { PanelSessions } from '../session.ts';
import { goTo, respond } from '../panel-request.ts';

/** Shows the sign-in instead of the requested page, without revealing whether that page exists. */
export function showSignIn(
  ctx: Context,
  sessions: PanelSessions,
  shown: { status: number; email?: string; fault?: string },
): void {
  // RFC 9110 §15.5.2 requires a challenge with 401. Browsers do not know this scheme, so they show no prompt.
  if (shown.status === 401) ctx.set('WWW-Authenticate', 'Cookie realm="staff panel"');
  const csrf = sessions.formToken(ctx, undefined);
  respond(
    ctx,
    shown.status,
    <Document title="Sign in">
      <main class="alone">
        <section class="card">
          <p class="brand">
            <img src="/admin/icon.svg" alt="" width="36" height="36" />
            <span>Staff panel</span>
          </p>
          <h1>Sign in</h1>
          {shown.fault && <Alert>{shown.fault}</Alert>}
          <form method="post" action="/admin/sign-in">
            <input type="hidden" name="csrf" value={csrf} />
            <Field
              name="email"
              label="E-mail"
              value={shown.email ?? ''}
              inputMode="email"
              autoComplete="username"
              maxLength={254}
              required
            />
            <Field
              name="password"
              label="Password"
              value=""
              autoComplete="current-password"
              maxLength={passwordBytesMax}
              required
              secret
            />
            <button type="submit">Sign in</button>
          </form>
        </section>
      </main>
    </Document>,
  );
}

/** Signs staff in; failures count together with the API's login. Others learn that they are not staff only with the right password. */
export async function signIn(
  ctx: Context,
  deps: WebDeps,
  sessions: PanelSessions,
  form: Form,
): Promise<void> {
  const { email = '', password = '' } = form;
  const shown = { email: email.slice(0, 254) };
  try {
    if (Buffer.byteLength(password) > passwordBytesMax || email.length > 254) {
      throw new Problem('invalid_credentials');
    }
    const outcome = await logInToPanel(deps, { email, password }, visitorOf(ctx, deps));
    if ('notStaff' in outcome) {
      deps.log.warn({ userId: outcome.notStaff.id }, 'panel sign-in refused: the user is not staff');
      return showSignIn(ctx, sessions, {
        ...shown,
        status: 403,
        fault: 'This is not a staff account.',
      });
    }
    sessions.begin(ctx, outcome);
    ctx.state['userId'] = outcome.user.id;
    deps.log.info({ userId: outcome.user.id }, 'staff signed in to the panel');
    goTo(ctx, '/admin');
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    ctx.set(problemHeaders(error));
    const fault = error.extras.detail ? `${error.title} ${error.extras.detail}` : error.title;
    showSignIn(ctx, sessions, { ...shown, status: error.status, fault });
  }
}
