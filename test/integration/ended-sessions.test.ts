import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSessionChecks } from '../../core/accounts/check-session.ts';
import { changeUser, type UserChange } from '../../web/staff/queries/users.ts';
import { makeStaff } from '../../db/users.ts';
import { bookingBody, cookieOf, expectProblem, newBooking, requestBooking } from '../factories.ts';
import { givePassword, openBrowser } from '../setup/panel.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

/** A user who has logged in, with the session that the access token names. */
interface Signed extends TestUser {
  cookie: string;
  sessionId: string;
}

describe('AU-09 a session that has ended', () => {
  let system: System;
  let admin: TestUser;
  beforeAll(async () => {
    system = await startSystem({ worker: false });
    admin = await system.newUser({ isStaff: true });
  });
  afterAll(() => system.stop());
  afterEach(() => void vi.useRealTimers());

  async function signIn(isStaff = false): Promise<Signed> {
    const user = await system.newUser({ isStaff });
    const body = { email: user.email, password: await givePassword(system, user) };
    const answer = await system.call('POST', '/api/login/', { body });
    const token = answer.body.access as string;
    const session = await system.db('sessions').where({ user_id: user.id }).orderBy('created_at', 'desc');
    return { ...user, token, cookie: cookieOf(answer)?.pair ?? '', sessionId: session[0].id };
  }

  const change = (user: TestUser, what: UserChange) => changeUser(system.db, admin.id, user.id, what);

  /** How a session ends behind the back of the process that served it: as another process would do it. */
  const endings: [string, (user: Signed) => Promise<unknown>][] = [
    ['another process logs it out', ({ sessionId }) => end(sessionId)],
    ['staff ends the sessions', (user) => change(user, 'end_sessions')],
    ['staff deactivates the account', (user) => change(user, 'deactivate')],
    [
      'the account is deactivated by hand',
      ({ id }) => system.db('users').where({ id }).update({ is_active: false }),
    ],
    [
      'its last day is over',
      ({ sessionId: id }) => system.db('sessions').where({ id }).update({ expires_at: new Date() }),
    ],
    ['its row is gone, after a restore', ({ sessionId: id }) => system.db('sessions').where({ id }).delete()],
    [
      'the password is set anew on the command line',
      ({ email }) => makeStaff(system.db, email, 'a new hash'),
    ],
  ];
  const end = (id: string) => system.db('sessions').where({ id }).update({ revoked_at: new Date() });

  test.each(endings)('writes nothing and refreshes nothing as soon as %s', async (_, endSession) => {
    const user = await signIn();
    const booking = await newBooking(system, user);
    expect((await system.call('GET', '/api/bookings/', { token: user.token })).status).toBe(200);
    await endSession(user);
    const writes = await Promise.all([
      requestBooking(system, user),
      system.call('POST', `/api/bookings/${booking.id}/cancel/`, { token: user.token }),
      system.call('POST', '/api/payment-intent/', { token: user.token, body: { booking_id: booking.id } }),
    ]);
    for (const answer of writes) expectProblem(answer, 'invalid_token');
    const refreshed = await system.call('POST', '/api/token/refresh-cookie/', {
      headers: { Cookie: user.cookie },
    });
    expectProblem(refreshed, 'invalid_refresh_token');
  });

  test.each(endings)('shows staff nothing as soon as %s', async (what, endSession) => {
    const staff = await signIn(true);
    const booking = await newBooking(system, admin);
    const paths = ['/api/bookings/all/', `/api/bookings/${booking.id}/`, '/api/bookings/'];
    for (const path of paths)
      expect((await system.call('GET', path, { token: staff.token })).status).toBe(200);
    await endSession(staff);
    for (const path of paths) {
      expect([what, (await system.call('GET', path, { token: staff.token })).status]).toEqual([what, 401]);
    }
  });

  test('a role that is taken away is gone at the next request, and the account stays a guest’s', async () => {
    const former = await signIn(true);
    const guest = await system.newUser();
    const booking = await newBooking(system, guest);
    const browser = openBrowser(system);
    await browser.signIn(former.email, await givePassword(system, former));
    expect((await browser.get('/admin')).status).toBe(200);
    expect((await system.call('GET', '/api/bookings/all/', { token: former.token })).status).toBe(200);

    await change(former, 'remove_staff');
    expectProblem(await system.call('GET', '/api/bookings/all/', { token: former.token }), 'staff_only');
    expectProblem(
      await system.call('GET', `/api/bookings/${booking.id}/`, { token: former.token }),
      'booking_not_found',
    );
    expectProblem(
      await system.call('POST', `/api/bookings/${booking.id}/cancel/`, { token: former.token }),
      'booking_not_found',
    );
    const forAnother = bookingBody(await system.newRoom(), { user_id: guest.id });
    expectProblem(
      await system.call('POST', '/api/bookings/', { token: former.token, body: forAnother }),
      'not_your_user',
    );
    expect((await browser.get('/admin')).status).toBe(401);
    expect((await requestBooking(system, former)).status).toBe(201);
  });

  test('a deactivated member of staff is out of the panel at the next request', async () => {
    const staff = await signIn(true);
    const browser = openBrowser(system);
    await browser.signIn(staff.email, await givePassword(system, staff));
    expect((await browser.get('/admin')).status).toBe(200);
    await change(staff, 'deactivate');
    expect((await browser.get('/admin')).status).toBe(401);
    expect((await browser.signIn(staff.email, await givePassword(system, staff))).status).toBe(401);
  });

  test('logged out here, it reads nothing at once', async () => {
    const user = await signIn();
    const read = () => system.call('GET', '/api/bookings/', { token: user.token });
    expect((await read()).status).toBe(200);
    await system.call('POST', '/api/logout/', { headers: { Cookie: user.cookie } });
    expectProblem(await read(), 'invalid_token');
  });

  test('logged out elsewhere, it is read with for five seconds at most', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const checks = createSessionChecks(system.db);
    const { id: userId, sessionId } = await signIn();
    const subject = { userId, sessionId };
    expect(await checks.lately(subject)).toEqual({ userId, isStaff: false });
    await end(sessionId);
    vi.advanceTimersByTime(4_990);
    expect(await checks.lately(subject)).toEqual({ userId, isStaff: false });
    expect(await checks.now(subject)).toBeUndefined();
    expect(await checks.lately(subject), 'what a write has learnt, a read knows').toBeUndefined();

    const other = await signIn();
    const another = { userId: other.id, sessionId: other.sessionId };
    expect(await checks.lately(another)).toBeDefined();
    await end(other.sessionId);
    vi.advanceTimersByTime(5_010);
    expect(await checks.lately(another)).toBeUndefined();
  });

  test('is another account’s to nobody', async () => {
    const [one, other] = await Promise.all([signIn(), signIn()]);
    const { sessionChecks, accessTokens } = system.server.deps;
    const mixed = { userId: one.id, sessionId: other.sessionId };
    expect(await sessionChecks.lately({ userId: other.id, sessionId: other.sessionId })).toBeDefined();
    expect(await sessionChecks.lately(mixed)).toBeUndefined();
    const token = accessTokens.sign(mixed);
    expectProblem(await system.call('GET', '/api/bookings/', { token }), 'invalid_token');
  });

  test('an account that is activated again logs in again, and its old sessions stay ended', async () => {
    const user = await signIn();
    await change(user, 'deactivate');
    await change(user, 'activate');
    expectProblem(await requestBooking(system, user), 'invalid_token');
    const body = { email: user.email, password: await givePassword(system, user) };
    expect((await system.call('POST', '/api/login/', { body })).status).toBe(200);
  });
});
