import { Refusal, repeatSafely, request, wait } from './api.js';

const refreshPath = '/api/token/refresh-cookie/';
/** A new access token is fetched this long before the old one ends. */
const refreshEarlyMs = 60_000;
const refreshAttemptsMax = 6;

/** @typedef {ReturnType<typeof createSession>} Session */

/**
 * The guest's session. The access token is kept in memory only; the refresh token is a cookie that no script can read.
 * `onChange` is called after every sign-in and sign-out.
 * @param {{ onChange: () => void }} parts
 */
export function createSession({ onChange }) {
  /** @type {string | null} */
  let token = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<boolean> | null} */
  let refreshing = null;
  // Counts sign-ins and sign-outs. A request made before one must not be repeated, or its answer used, after it.
  let sessionNumber = 0;

  /**
   * @param {string} access
   * @param {string} [email]
   */
  function begin(access, email) {
    const signedInBefore = token !== null;
    token = access;
    if (email) rememberEmail(email);
    clearTimeout(timer);
    timer = setTimeout(
      () => void refresh().catch(() => {}),
      Math.max(1_000, lifetimeMs(access) - refreshEarlyMs),
    );
    if (signedInBefore) return;
    sessionNumber++;
    onChange();
  }

  function end() {
    const signedInBefore = token !== null;
    token = null;
    sessionNumber++;
    rememberEmail(null);
    clearTimeout(timer);
    if (signedInBefore) onChange();
  }

  /** Refreshes once, however many calls need it. Resolves to whether the guest is signed in. */
  function refresh() {
    refreshing ??= exchangeCookie().finally(() => (refreshing = null));
    return refreshing;
  }

  async function exchangeCookie() {
    const startedIn = sessionNumber;
    for (let attempt = 1; ; attempt++) {
      try {
        const { access } = await request('POST', refreshPath);
        refuseOtherSession(startedIn);
        begin(access);
        return true;
      } catch (refusal) {
        if (startedIn !== sessionNumber) return false;
        if (refusal.status === 401 || refusal.status === 403) {
          end();
          return false;
        }
        // Repeating is safe: after a lost answer, or beside another tab, the same cookie is sent again.
        if (attempt === refreshAttemptsMax) throw refusal;
        await wait(refusal.retryAfterMs * (0.5 + Math.random()));
      }
    }
  }

  /** @param {number} startedIn the session number when the request was made */
  function refuseOtherSession(startedIn) {
    if (startedIn !== sessionNumber)
      throw new Refusal(401, { code: 'signed_out', detail: 'You have signed out.' }, 0);
  }

  async function once(method, path, options) {
    try {
      return await request(method, path, { ...options, token });
    } catch (refusal) {
      if (refusal.status !== 401 || token === null) throw refusal;
      if (!(await refresh()))
        throw new Refusal(401, { code: refusal.code, detail: 'Your session has ended. Sign in again.' }, 0);
      return request(method, path, { ...options, token });
    }
  }

  // Signing out in one tab ends the session in all of them.
  const otherTabs = new BroadcastChannel('session');
  otherTabs.addEventListener('message', end);

  // A laptop that was asleep may wake up with an expired token.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && token !== null && remainingMs(token) < refreshEarlyMs)
      void refresh().catch(() => {});
  });

  return {
    signedIn: () => token !== null,
    email: () => readEmail() ?? 'Signed in',
    /** After a reload, signs in with the refresh cookie. */
    resume: () => refresh().catch(() => false),
    async signIn(email, password) {
      const answer = await request('POST', '/api/login/', { body: { email, password } });
      begin(answer.access, answer.email);
    },
    async register(email, password, confirmation) {
      const body = { email, password, confirm_password: confirmation };
      await request('POST', '/api/register/', { body });
    },
    /** @throws Refusal when the session may still be open; the guest then stays signed in */
    async signOut() {
      try {
        await repeatSafely(() => request('POST', '/api/logout/', { token }));
      } catch (refusal) {
        // 401: the session was already over.
        if (refusal.status !== 401) throw refusal;
      }
      end();
      otherTabs.postMessage('signed out');
    },
    /**
     * Every call is safe to repeat: it only reads, has an idempotency key, or the API allows it.
     * @type {import('./api.js').Call}
     */
    call(method, path, options = {}) {
      const startedIn = sessionNumber;
      return repeatSafely(async () => {
        refuseOtherSession(startedIn);
        const answer = await once(method, path, options);
        refuseOtherSession(startedIn);
        return answer;
      });
    },
  };
}

/** @param {string} token */
function claimsOf(token) {
  const [, claims = ''] = token.split('.');
  const part = claims.replaceAll('-', '+').replaceAll('_', '/');
  return JSON.parse(atob(part));
}

/** Computed from two instants in the token, because this machine's clock may be wrong. */
function lifetimeMs(token) {
  const { iat, exp } = claimsOf(token);
  return (exp - iat) * 1_000;
}

const remainingMs = (token) => claimsOf(token).exp * 1_000 - Date.now();

/** Remembers the e-mail for this tab, to show it after a reload. Storage may be switched off. */
function rememberEmail(email) {
  try {
    if (email) sessionStorage.setItem('email', email);
    else sessionStorage.removeItem('email');
  } catch {
    // Then the page says "Signed in".
  }
}

function readEmail() {
  try {
    return sessionStorage.getItem('email');
  } catch {
    return null;
  }
}
