import { z } from 'zod';
import { insertUser } from '../../db/users.ts';
import { canonicalEmail } from '../../domain/email.ts';
import { passwordBytesMax } from '../../domain/limits.ts';
import { passwordFault } from '../../domain/password.ts';
import { fieldProblem } from '../../domain/problems.ts';
import { checkPassword } from '../../http/auth/check-password.ts';
import { refuseCrossSite } from '../../http/auth/sessions.ts';
import type { Deps } from '../deps.ts';
import { addressKey } from '../../http/client-address.ts';
import { countAgainst } from '../../http/rate-limit.ts';
import { route, type Route } from '../../http/route.ts';
import { id, text } from '../../http/schemas.ts';

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
  const { db, passwords, sessions, accessTokens, limiters, config } = deps;
  const refreshCookie = {
    type: 'apiKey',
    in: 'cookie',
    name: sessions.cookieName,
    description: 'The cookie that a login sets.',
  };

  const register = route({
    method: 'POST',
    path: '/api/register/',
    access: 'anyone',
    tag: 'Accounts',
    summary: 'Make an account',
    body: z.strictObject({ email, password, confirm_password: password }),
    example: { email: 'guest@example.com', password: 'correct horse', confirm_password: 'correct horse' },
    status: 201,
    response: z.strictObject({ message: z.string(), user_id: id }),
    problems: ['passwords_differ', 'password_too_weak', 'email_taken'],
  })(async ({ body, ctx }) => {
    const address = canonicalEmail(body.email);
    if (!address) throw fieldProblem('invalid_request', 'email', 'This is not an e-mail address.');
    if (body.password !== body.confirm_password) {
      throw fieldProblem('passwords_differ', 'confirm_password', 'Type the same password twice.');
    }
    const weak = passwordFault(body.password, address);
    if (weak) throw fieldProblem('password_too_weak', 'password', weak);
    await countAgainst(limiters.registrations, addressKey(ctx.ip));
    const passwordHash = await passwords.hash(body.password);
    // An address that is taken is refused by the database (db/errors.ts).
    const userId = await insertUser(db, { email: address, passwordHash });
    return { message: 'Registration successful', user_id: userId };
  });

  const login = route({
    method: 'POST',
    path: '/api/login/',
    access: 'anyone',
    tag: 'Accounts',
    summary: 'Log in; the refresh token comes as an HTTP-only cookie',
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
    const user = await checkPassword(deps, ctx, body);
    const caller = await sessions.begin(ctx, user);
    return {
      message: 'Login successful',
      user_id: user.id,
      email: user.email,
      is_staff: user.isStaff,
      is_superuser: user.isSuperuser,
      access: accessTokens.sign(caller),
    };
  });

  const refresh = route({
    method: 'POST',
    path: '/api/token/refresh-cookie/',
    access: 'anyone',
    tag: 'Accounts',
    summary: 'A new access token for the refresh cookie, which is rotated',
    status: 200,
    response: z.strictObject({ access: z.string(), message: z.string() }),
    problems: ['invalid_refresh_token', 'refresh_in_progress', 'cross_site'],
    ownChecks: { security: { name: 'refreshCookie', scheme: refreshCookie } },
  })(async ({ ctx }) => {
    refuseCrossSite(ctx, config.http.corsOrigins);
    const caller = await sessions.refresh(ctx);
    return { access: accessTokens.sign(caller), message: 'Token refreshed successfully' };
  });

  const logout = route({
    method: 'POST',
    path: '/api/logout/',
    access: 'user',
    tag: 'Accounts',
    summary: 'End the session and clear its cookie',
    status: 200,
    response: z.strictObject({ message: z.string() }),
    problems: [],
  })(async ({ caller, ctx }) => {
    await sessions.end(ctx, caller);
    return { message: 'Logout successful' };
  });

  return [register, login, refresh, logout];
}
