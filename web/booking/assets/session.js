import { Refusal, repeatSafely, request, wait } from './api.js';

const refreshPath = '/api/token/refresh-cookie/';
/** A new access token is fetched this long before the old one ends. */
const refreshEarlyMs = 60_000;
const refreshAttemptsMax = 6;

/** @typedef {ReturnType<typeof createSession>} Session */

/**
 * Who is signed in. The access token lives in memory only; the refresh token is a cookie that no script can read.
 * `onChange` hears of every sign-in and sign-out.
 * @param {{ onChange: () => void }} parts
 */
export function createSession({ onChange }) {
  /** @type {string | null} */
  let token = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<boolean> | null} */
  let refreshing = null;
  // Counts sign-ins and sign-outs: what was asked before one is nobody's to see, or to ask again, after it.
  let visit = 0;

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
    visit++;
    onChange();
  }

  function end() {
    const signedInBefore = token !== null;
    token = null;
    visit++;
    rememberEmail(null);
    clearTimeout(timer);
    if (signedInBefore) onChange();
  }

  /** One refresh at a time, however many calls need it. Resolves to whether somebody is signed in. */
  function refresh() {
    refreshing ??= exchangeCookie().finally(() => (refreshing = null));
    return refreshing;
  }

  async function exchangeCookie() {
    const asker = visit;
    for (let attempt = 1; ; attempt++) {
      try {
        const { access } = await request('POST', refreshPath);
        refuseOthers(asker);
        begin(access);
        return true;
      } catch (refusal) {
        if (asker !== visit) return false;
        if (refusal.status === 401 || refusal.status === 403) {
          end();
          return false;
        }
        // 409: another tab has just done it, and the browser has its new cookie by the time we ask again.
        if (attempt === refreshAttemptsMax) throw refusal;
        await wait(refusal.retryAfterMs * (0.5 + Math.random()));
      }
    }
  }

  /** @param {number} asker the visit in which something was asked */
  function refuseOthers(asker) {
    if (asker !== visit) throw new Refusal(401, { code: 'signed_out', detail: 'You have signed out.' }, 0);
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

  // A laptop that slept may wake with a token that has ended.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && token !== null && remainingMs(token) < refreshEarlyMs)
      void refresh().catch(() => {});
  });

  return {
    signedIn: () => token !== null,
    email: () => readEmail() ?? 'Signed in',
    /** After a reload: the cookie says who it was. */
    resume: () => refresh().catch(() => false),
    async signIn(email, password) {
      const answer = await request('POST', '/api/login/', { body: { email, password } });
      begin(answer.access, answer.email);
    },
    async register(email, password, confirmation) {
      const body = { email, password, confirm_password: confirmation };
      await request('POST', '/api/register/', { body });
    },
    /** @throws Refusal when the session may live on: then its guest is still signed in */
    async signOut() {
      try {
        await repeatSafely(() => once('POST', '/api/logout/', {}));
      } catch (refusal) {
        // Unless it turned out that the session had ended before.
        if (token !== null) throw refusal;
      }
      end();
    },
    /**
     * Every call here is safe to repeat: it reads, or it has a key, or the API says so.
     * @type {import('./api.js').Call}
     */
    call(method, path, options = {}) {
      const asker = visit;
      return repeatSafely(async () => {
        refuseOthers(asker);
        const answer = await once(method, path, options);
        refuseOthers(asker);
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

/** From the token's own two instants: this machine's clock may be wrong. */
function lifetimeMs(token) {
  const { iat, exp } = claimsOf(token);
  return (exp - iat) * 1_000;
}

const remainingMs = (token) => claimsOf(token).exp * 1_000 - Date.now();

/** The e-mail is remembered for this tab, only to be shown after a reload. Storage may be switched off. */
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
