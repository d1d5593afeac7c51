import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';
import { SetupProblem } from './setup-problem.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser's own services may not use the network, and it runs in a container as root. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * The browser of this machine: `CHROMIUM_PATH`, else the first on the PATH.
 * @throws SetupProblem in one line when there is none
 */
function findChromium(env: NodeJS.ProcessEnv): string {
  const folders = (env['PATH'] ?? '').split(delimiter);
  const places = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = env['CHROMIUM_PATH'] || places.find((place) => existsSync(place));
  if (found) return found;
  throw new SetupProblem(
    'No Chromium on this machine: install it (Debian: apt-get install chromium) or set CHROMIUM_PATH.',
  );
}

/** Starts headless Chromium with an empty profile. `open()` returns a new context without cookies. */
export async function startChromium(env: NodeJS.ProcessEnv) {
  const executablePath = findChromium(env);
  const home = mkdtempSync(join(tmpdir(), 'booking-browser-'));
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args,
    env: { ...(env as Record<string, string>), HOME: home },
  });
  return {
    open: (options: Parameters<typeof browser.newContext>[0] = {}): Promise<BrowserContext> =>
      browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options }),
    async stop(): Promise<void> {
      await browser.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
