import { z } from 'zod';
import { logIn } from '../../core/accounts/log-in.ts';
import { logOut } from '../../core/accounts/log-out.ts';
import { refreshSession } from '../../core/accounts/refresh-session.ts';
import { register } from '../../core/accounts/register.ts';
import { passwordBytesMax } from '../../domain/limits.ts';
import { fieldProblem, Problem } from '../../domain/problems.ts';
import { bearerToken, unauthenticated } from '../../http/auth/authenticate.ts';
import { visitorOf } from '../../http/visitor.ts';
import { addressKey } from '../../http/client-address.ts';
import { route, type Route } from '../../http/route.ts';
import { refuseForeign } from '../../http/same-origin.ts';
import { id, text } from '../../http/schemas.ts';
import type { Deps } from '../deps.ts';

const email = text(254).meta({
  description: 'An e-mail address; case and surrounding spaces do not matter.',
});
const password = z
  .string()
  .max(passwordBytesMax)
  .refine((value) => Buffer.byteLength(value) <= passwordBytesMax, {
    error: `At most ${passwordBytesMax} bytes.`,
  });

export function authRoutes(deps: Deps): Route[] {
  const { accessTokens, cookies } = deps;
  const { corsOrigins } = deps.config.http;
  const refreshCookie = {
    name: 'refreshCookie',
    scheme: {
      type: 'apiKey',
      in: 'cookie',
      name: cookies.refreshToken.name,
      description: 'The cookie that a login sets.',
    },
  };

  const registration = route({
    method: 'POST',
    path: '/api/register/',
    access: 'anyone',
    tag: 'Accounts',
    summary: 'Create an account',
    body: z.strictObject({ email, password, confirm_password: password }),
    example: { email: 'guest@example.com', password: 'correct horse', confirm_password: 'correct horse' },
    status: 201,
    response: z.strictObject({ message: z.string(), user_id: id }),
    problems: ['passwords_differ', 'password_too_weak', 'email_taken'],
  })(async ({ body, ctx }) => {
    if (body.password !== body.confirm_password) {
      throw fieldProblem('passwords_differ', 'confirm_password', 'Type the same password twice.');
    }
    const userId = await register(deps, body, addressKey(ctx.ip));
    return { message: 'Registration successful', user_id: userId };
  });

  const login = route({
    method: 'POST',
    path: '/api/login/',
    access: 'anyone',
    tag: 'Accounts',
    summary: 'Log in; the refresh token and the device come as HTTP-only cookies',
    body: z.strictObject({ email, password }),
    example: { email: 'longtran20014@gmail.com', password: '123456Long' },
    status: 200,
    response: z.strictObject({
      message: z.string(),
      user_id: id,
      email: z.string(),
      is_staff: z.boolean(),
      is_superuser: z.boolean(),
      access: z.string(),
    }),
    problems: ['invalid_credentials'],
  })(async ({ body, ctx }) => {
    const loggedIn = await logIn(deps, body, visitorOf(ctx, deps));
    cookies.setLogin(ctx, 'refreshToken', loggedIn);
    const { user, sessionId } = loggedIn;
    return {
      message: 'Login successful',
      user_id: user.id,
      email: user.email,
      is_staff: user.isStaff,
      is_superuser: user.isSuperuser,
      access: accessTokens.sign({ userId: user.id, sessionId }),
    };
  });

  const refresh = route({
    method: 'POST',
    path: '/api/token/refresh-cookie/',
    access: 'anyone',
    tag: 'Accounts',
    summary: 'A new access token for the refresh cookie, which is rotated; repeating within 30 s is safe',
    status: 200,
    response: z.strictObject({ access: z.string(), message: z.string() }),
    problems: ['invalid_refresh_token', 'cross_site'],
    ownChecks: { security: refreshCookie },
  })(async ({ ctx }) => {
    refuseForeign(ctx, { allowedOrigins: corsOrigins, allowSilent: true });
    const token = cookies.refreshToken.read(ctx);
    if (token === undefined) throw new Problem('invalid_refresh_token');
    const { refreshToken, ...subject } = await refreshSession(deps, token).catch((error: unknown) => {
      if (error instanceof Problem) cookies.refreshToken.clear(ctx);
      throw error;
    });
    cookies.refreshToken.set(ctx, refreshToken);
    return { access: accessTokens.sign(subject), message: 'Token refreshed successfully' };
  });

  const logout = route({
    method: 'POST',
    path: '/api/logout/',
    access: 'anyone',
    tag: 'Accounts',
    summary: 'End the session of the access token and that of the refresh cookie; one of them is enough',
    status: 200,
    response: z.strictObject({ message: z.string() }),
    problems: ['unauthenticated', 'invalid_token', 'cross_site'],
    ownChecks: { security: { ...refreshCookie, besideBearer: true } },
  })(async ({ ctx }) => {
    const [bearer, refreshToken] = [bearerToken(ctx), cookies.refreshToken.read(ctx)];
    if (refreshToken !== undefined) refuseForeign(ctx, { allowedOrigins: corsOrigins, allowSilent: true });
    const sessionId = bearer === undefined ? undefined : accessTokens.verify(bearer)?.sessionId;
    const isEnded = await logOut(deps, { sessionId, refreshToken });
    cookies.refreshToken.clear(ctx);
    if (!isEnded) throw bearer === undefined ? unauthenticated() : new Problem('invalid_token');
    return { message: 'Logout successful' };
  });

  return [registration, login, refresh, logout];
}
