import { createPasswords } from '../../core/accounts/passwords.ts';
import type { System, TestUser } from './system.ts';

export interface PanelAnswer {
  status: number;
  headers: Headers;
  text: string;
}

const password = 'a staff password';
let passwordHash: Promise<string> | undefined;

/** Sets a valid password for a test user. */
export async function givePassword({ db }: System, user: TestUser): Promise<string> {
  passwordHash ??= createPasswords().hash(password);
  await db('users')
    .where('id', user.id)
    .update({ password_hash: await passwordHash });
  return password;
}

/** A browser without scripts: it keeps cookies, sends forms as they are on the page, and does not follow redirects. */
export function openBrowser({ url }: System) {
  const cookies = new Map<string, string>();

  async function request(method: string, path: string, init: RequestInit = {}): Promise<PanelAnswer> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url + path, {
      ...init,
      method,
      redirect: 'manual',
      headers: { ...(cookie && { Cookie: cookie }), ...init.headers },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (name && value) cookies.set(name, value);
      else if (name) cookies.delete(name);
    }
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  async function submit(
    path: string,
    fields: Record<string, string>,
    headers: Record<string, string> = { Origin: url, 'Sec-Fetch-Site': 'same-origin' },
  ): Promise<PanelAnswer> {
    return request('POST', path, { body: new URLSearchParams(fields), headers });
  }

  const get = (path: string, headers: Record<string, string> = {}) => request('GET', path, { headers });

  return {
    cookies,
    request,
    get,
    submit,
    /** Loads the page, takes its form's token, and sends the fields to it. */
    async fill(path: string, fields: Record<string, string> = {}): Promise<PanelAnswer> {
      return submit(path, { csrf: tokenIn((await get(path)).text), ...fields });
    },
    async signIn(email: string, secret: string): Promise<PanelAnswer> {
      const page = await get('/admin/sign-in');
      return submit('/admin/sign-in', { csrf: tokenIn(page.text), email, password: secret });
    },
  };
}

export type Browser = ReturnType<typeof openBrowser>;

/** The token that a page's forms carry. */
export function tokenIn(html: string): string {
  return /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? '';
}

/** A browser in which a new member of staff is signed in. */
export async function signInStaff(system: System): Promise<{ browser: Browser; staff: TestUser }> {
  const staff = await system.newUser({ isStaff: true });
  const browser = openBrowser(system);
  const { status } = await browser.signIn(staff.email, await givePassword(system, staff));
  if (status !== 303) throw new Error(`the sign-in answered ${status}`);
  return { browser, staff };
}
