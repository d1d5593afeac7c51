// Takes the pictures of the README: starts the whole system on a data directory of its own, makes a few bookings and
// saves docs/images/*.png. `npm run screenshots` needs Chromium and nothing else.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { cardSays, hold, openDay, pay, signUp, slot } from './guest.ts';
import { createMachine } from './npm-start.ts';
import { startChromium } from '../../dev/chromium.ts';
import { projectDir } from '../../dev/project-dir.ts';
import { SetupProblem } from '../../dev/setup-problem.ts';
import { answerToArguments } from '../../program-arguments.ts';

const dir = join(projectDir, 'docs', 'images');
const viewport = { width: 1200, height: 820 };
const bytesMax = 200 * 1024;
/** Pages that ask again and again are never quiet; this is long enough for everything to be painted. */
const settleMs = 1_000;

async function save(page: Page, name: string): Promise<void> {
  await page.evaluate('scrollTo(0, 0)');
  await page.waitForTimeout(settleMs);
  const path = join(dir, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled' });
  const bytes = statSync(path).size;
  console.log(`docs/images/${name}.png   ${Math.round(bytes / 1024)} KB`);
  if (bytes > bytesMax) throw new Error(`${name}.png has ${bytes} bytes: more than ${bytesMax}.`);
}

type Browser = Awaited<ReturnType<typeof startChromium>>;
type Machine = Awaited<ReturnType<typeof createMachine>>;

/** Somebody else books and holds a few slots, so that the page shows what it is for. */
async function fillTheDay(browser: Browser, machine: Machine): Promise<void> {
  const context = await browser.open({ viewport });
  const page = await context.newPage();
  await openDay(page, machine.apiUrl, 'Conference Room A', 3);
  await hold(page, '09:00', '10:00');
  await signUp(page, 'ada@example.com');
  await cardSays(page, 'Pay to confirm');
  await pay(page, 'pays');
  await cardSays(page, 'Confirmed');
  await page.getByRole('button', { name: 'Book another time' }).click();
  await hold(page, '15:00', '15:30');
  await cardSays(page, 'Pay to confirm');
  await context.close();
}

async function photographGuest(page: Page, machine: Machine): Promise<void> {
  await openDay(page, machine.apiUrl, 'Conference Room A', 3);
  await slot(page, '11:00').click();
  await slot(page, '12:30').click();
  await page.getByRole('spinbutton', { name: /Guests/ }).fill('6');
  await save(page, 'booking-page');
  await page.getByRole('button', { name: /^Hold for/ }).click();
  await signUp(page, 'grace@example.com');
  await cardSays(page, 'Pay to confirm');
  await save(page, 'payment');
  await pay(page, 'pays');
  await cardSays(page, 'Confirmed');
  await page.goto(`${machine.apiUrl}/docs`);
  await page.locator('.opblock').first().waitFor();
  await save(page, 'api-docs');
}

async function photographPanel(page: Page, machine: Machine): Promise<void> {
  const panel = `${machine.apiUrl}/admin`;
  await page.goto(panel);
  await page.getByLabel('E-mail').fill('admin@gmail.com');
  await page.getByLabel('Password').fill('123456Long');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.goto(`${panel}/bookings`);
  await save(page, 'staff-panel');
  await page.goto(`${panel}/bookings/1`);
  await save(page, 'staff-panel-booking');
}

async function photographWorkflow(page: Page, machine: Machine): Promise<void> {
  const ui = `http://127.0.0.1:${machine.ports.DEV_TEMPORAL_UI_PORT}`;
  await page.setViewportSize({ width: 1200, height: 1250 });
  await page.goto(`${ui}/namespaces/default/workflows`);
  await page
    .getByRole('link', { name: /^booking-/ })
    .last()
    .click();
  await page.getByText('Event History').first().waitFor();
  await page.waitForTimeout(settleMs);
  await save(page, 'workflow');
}

const help = `
npm run screenshots

Starts the whole system and takes the pictures of docs/images/ anew.
`;

async function main(): Promise<void> {
  const answer = answerToArguments(help, process.argv.slice(2));
  if (answer) {
    (answer.exitCode === 0 ? console.log : console.error)(answer.text);
    process.exit(answer.exitCode);
  }
  mkdirSync(dir, { recursive: true });
  const browser = await startChromium(process.env);
  const machine = await createMachine();
  try {
    await machine.start().says('Ctrl-C stops everything');
    await fillTheDay(browser, machine);
    const context = await browser.open({ viewport });
    const page = await context.newPage();
    await photographGuest(page, machine);
    await photographPanel(page, machine);
    await photographWorkflow(page, machine);
  } finally {
    await browser.stop();
    await machine.remove();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof SetupProblem ? error.message : error);
  process.exitCode = 1;
});
