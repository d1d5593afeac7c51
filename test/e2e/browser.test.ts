import { randomUUID } from 'node:crypto';
import axe from 'axe-core';
import type { BrowserContext, Page, Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startChromium } from '../../dev/chromium.ts';
import { connectStripeControl, emulatorKeys } from 'stripe-emulator';
import { cardSays, hold, openDay, pay, signUp, slot } from './guest.ts';
import { createMachine, type Machine } from './npm-start.ts';

/** The hold is long enough to pay on a slow machine, and short enough to wait for its end. */
const holdMinutes = 0.5;
const slowMachine = { timeout: 20_000 };

let browser: Awaited<ReturnType<typeof startChromium>>;
let machine: Machine;
/** No page may contact another host, violate its own policy, or throw. */
const faults: string[] = [];

/** A person with a separate browser. */
async function openPage(options: Parameters<typeof browser.open>[0] = {}): Promise<Page> {
  const context = await browser.open(options);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  watch(context);
  return page;
}

function watch(context: BrowserContext): void {
  const { PORT, DEV_STRIPE_PORT } = machine.ports;
  const ours = [PORT, DEV_STRIPE_PORT].map((port) => `http://127.0.0.1:${port}`);
  context.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== 'data:' && !ours.includes(origin)) faults.push(`asks ${request.url()}`);
  });
  context.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text());
  });
  context.on('weberror', (error) => faults.push(String(error.error())));
}

/** The serious and critical violations that axe-core finds on the page in its current state. */
async function axeFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${page.url()} ${id}: ${target.join(' ')}`));
}

const newEmail = () => `${randomUUID()}@example.com`;
const home = () => `${machine.apiUrl}/`;

/** The row of my bookings at a time. */
const row = (page: Page, time: string) => page.locator('#mine li', { hasText: time });

let absentGuest: Page;
let visitor: Page;
/** The bank's page, on which this guest does nothing. */
let unanswered: Page;

beforeAll(async () => {
  browser = await startChromium(process.env);
  machine = await createMachine();
  await machine.start({ HOLD_MINUTES: String(holdMinutes) }).says('Ctrl-C stops everything');
  // A guest holds a slot and stops at the bank's page; a test further down checks the result.
  absentGuest = await openPage();
  await openDay(absentGuest, home(), 'Studio B', 5);
  await hold(absentGuest, '12:00');
  await signUp(absentGuest, newEmail());
  await cardSays(absentGuest, 'Pay to confirm');
  [unanswered] = await Promise.all([absentGuest.context().waitForEvent('page'), pay(absentGuest, 'asks')]);
  visitor = await openPage();
  await openDay(visitor, home(), 'Studio B', 5);
  await slot(visitor, '12:00', 'held').waitFor();
});
afterAll(async () => {
  await browser?.stop();
  await machine?.remove();
});
afterEach(() => expect(faults.splice(0)).toEqual([]));

describe('a guest in a browser', () => {
  let guest: Page;
  beforeAll(async () => {
    guest = await openPage();
  });

  test('signs up while booking, pays with 4242 and sees it confirmed', async () => {
    await openDay(guest, home(), 'Conference Room A', 4);
    await hold(guest, '09:00', '10:00');
    await signUp(guest, newEmail());
    await cardSays(guest, 'Pay to confirm');
    expect(await guest.getByRole('timer').textContent()).toMatch(/^0:[0-3]\d$/);
    await pay(guest, 'pays');
    await cardSays(guest, 'Confirmed');
    await row(guest, '09:00–10:30').getByText('confirmed').waitFor();
    await slot(guest, '10:00', 'booked').waitFor();
  });

  test('is still signed in after a reload, though the access token was in memory only', async () => {
    await guest.reload();
    await row(guest, '09:00–10:30').waitFor();
    const kept = await guest.evaluate(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
    );
    expect(kept).not.toMatch(/eyJ|refresh_token/);
  });

  test('sees that 9995 is declined, pays with another card and is confirmed', async () => {
    await openDay(guest, home(), 'Conference Room A', 4);
    await hold(guest, '14:00');
    await cardSays(guest, 'Pay to confirm');
    await pay(guest, 'declines');
    await guest.getByRole('alert').filter({ hasText: 'insufficient funds' }).waitFor();
    await pay(guest, 'pays');
    await cardSays(guest, 'Confirmed');
  });

  test('confirms at the bank when the card asks for it, and is led back to the result', async () => {
    await openDay(guest, home(), 'Conference Room A', 4);
    await hold(guest, '16:00');
    await cardSays(guest, 'Pay to confirm');
    const [bank] = await Promise.all([guest.context().waitForEvent('page'), pay(guest, 'asks')]);
    await bank.getByRole('button', { name: 'Complete' }).click();
    await bank.getByRole('heading', { name: 'Confirmed' }).waitFor();
    expect(bank.url()).toContain('/payment/success');
    expect(await axeFaults(bank)).toEqual([]);
    await bank.close();
    await cardSays(guest, 'Confirmed');
  });

  test('who leaves the payment form is led to the page for that, and pays later from my bookings', async () => {
    const page = await guest.context().newPage();
    await openDay(page, home(), 'Conference Room A', 4);
    await hold(page, '11:00');
    await cardSays(page, 'Pay to confirm');
    await page.getByRole('link', { name: 'Pay later' }).click();
    await page.getByRole('heading', { name: 'Payment cancelled' }).waitFor();
    expect(page.url()).toMatch(/\/payment\/cancel\?booking=\d+$/);
    await page.getByRole('link', { name: 'My bookings' }).click();
    await row(page, '11:00–11:30').getByRole('button', { name: /^Pay/ }).click();
    await pay(page, 'pays');
    await cardSays(page, 'Confirmed');
    await page.close();
  });

  test('is led to the page that the operator has for paid bookings, if there is one', async () => {
    const page = await guest.context().newPage();
    const own = `${machine.apiUrl}/payment/success?from=shop`;
    // Overrides the settings; the page's scripts run after this.
    await page.addInitScript(`document.addEventListener('readystatechange', () => {
      const tag = document.querySelector('meta[name="site-settings"]');
      if (tag) tag.content = JSON.stringify({ ...JSON.parse(tag.content), successUrl: '${own}' });
    }, { once: true })`);
    await openDay(page, home(), 'Conference Room A', 4);
    await hold(page, '12:00');
    await cardSays(page, 'Pay to confirm');
    await pay(page, 'pays');
    await page.getByRole('heading', { name: 'Confirmed' }).waitFor();
    expect(page.url()).toMatch(/\/payment\/success\?from=shop&booking=\d+$/);
    await page.close();
  });

  test('cancels a paid booking after being asked, and gets the money back', async () => {
    const booking = row(guest, '14:00–14:30');
    await booking.getByRole('button', { name: /^Cancel/ }).click();
    await booking.getByText('You will be refunded USD 50.00.').waitFor();
    expect(await axeFaults(guest)).toEqual([]);
    await booking.getByRole('button', { name: 'Yes, cancel' }).click();
    await booking.getByText('cancelled, refunded').waitFor();
    await slot(guest, '14:00', 'free').waitFor();
  });

  test('sees that staff has cancelled a booking with a refund', async () => {
    const staff = await openPage();
    await staff.goto(`${machine.apiUrl}/admin`);
    expect(await axeFaults(staff)).toEqual([]);
    await staff.getByLabel('E-mail').fill('admin@gmail.com');
    await staff.getByLabel('Password').fill('123456Long');
    await staff.getByRole('button', { name: 'Sign in' }).click();
    const id = await row(guest, '09:00–10:30').getAttribute('data-booking');
    await staff.goto(`${machine.apiUrl}/admin/bookings/${id}`);
    expect(await axeFaults(staff)).toEqual([]);
    await staff.getByRole('link', { name: /Cancel/ }).click();
    await staff.getByLabel('Refund it in full').check();
    expect(await axeFaults(staff)).toEqual([]);
    await staff.getByRole('button', { name: 'Cancel booking' }).click();
    await staff.getByText('cancelled', { exact: true }).first().waitFor();
    await row(guest, '09:00–10:30').getByText('cancelled, refunded').waitFor();
    for (const path of [
      '',
      '/bookings',
      '/day',
      '/rooms',
      '/rooms/1',
      '/rooms/new',
      '/payments',
      '/users',
      '/flags',
    ]) {
      await staff.goto(`${machine.apiUrl}/admin${path}`);
      expect(await axeFaults(staff)).toEqual([]);
    }
    await staff.context().close();
  });

  test('who does not pay loses the slot, which is shown as free again', async () => {
    await absentGuest.getByRole('region', { name: 'Your hold expired' }).waitFor({ timeout: 40_000 });
    await slot(visitor, '12:00', 'free').waitFor();
    expect(await slot(visitor, '12:00').isEnabled()).toBe(true);
  }, 50_000);

  test('whose money comes after the hold sees what happens to it, and that it is confirmed after all', async () => {
    const page = await absentGuest.context().newPage();
    const id = await row(absentGuest, '12:00–12:30').getAttribute('data-booking');
    await page.goto(`${machine.apiUrl}/payment/success?booking=${id}`);
    await page.getByRole('heading', { name: 'Your hold expired' }).waitFor();
    await page.getByText('If it still does, the booking is confirmed if the time is free').waitFor();
    const emulator = `http://127.0.0.1:${machine.ports.DEV_STRIPE_PORT}`;
    const stripe = connectStripeControl(emulator, emulatorKeys.STRIPE_SECRET_KEY);
    const [intentId = ''] = /pi_\w+/.exec(unanswered.url()) ?? [];
    // Stripe takes money for a PaymentIntent that it had canceled.
    await stripe.setPaymentIntent(intentId, { status: 'requires_payment_method', canceled_at: null });
    await stripe.pay(intentId);
    await page.getByRole('heading', { name: 'Confirmed' }).waitFor();
    await page.close();
  });
});

describe('signing out', () => {
  let page: Page;
  let email: string;
  const logout = '**/api/logout/';
  beforeAll(async () => {
    page = await openPage();
    email = newEmail();
    await openDay(page, home(), 'Studio B', 9);
    await hold(page, '09:00');
    await signUp(page, email);
    await cardSays(page, 'Pay to confirm');
    await pay(page, 'pays');
    await cardSays(page, 'Confirmed');
    await row(page, '09:00–09:30').waitFor();
  });
  afterAll(() => page.context().close());

  test('that fails is reported, and the guest is still signed in, after a reload too', async () => {
    await page.route(logout, (route) => route.abort());
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('alert').filter({ hasText: 'You are still signed in' }).waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await row(page, '09:00–09:30').waitFor();
    await page.reload();
    await row(page, '09:00–09:30').waitFor();
    await page.unroute(logout);
  });

  test('is tried again when the first attempt gets no answer, lasts, and counts in other tabs', async () => {
    const otherTab = await page.context().newPage();
    await otherTab.goto(home());
    await otherTab.getByRole('button', { name: 'Sign out' }).waitFor();
    await page.route(logout, (route) => route.abort(), { times: 1 });
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await otherTab.getByRole('button', { name: 'Sign in' }).waitFor();
    await otherTab.close();
    await page.reload();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(await page.locator('#mine').isVisible()).toBe(false);
  });

  test('leaves nothing to the next person in the same tab, not even an answer that was on its way', async () => {
    await openDay(page, home(), 'Studio B', 9);
    await page.getByRole('button', { name: 'Sign in' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('E-mail').fill(email);
    await dialog.getByLabel('Password').fill('correct horse');
    await dialog.getByRole('button', { name: 'Sign in' }).click();
    await row(page, '09:00–09:30').waitFor();
    await row(page, '09:00–09:30')
      .getByRole('button', { name: /^Cancel/ })
      .click();
    await slot(page, '11:00').click();
    await page.getByLabel('Special requests').fill('a table for my secret guest');

    let deliver = () => {};
    const list = /\/api\/bookings\/\?/;
    await new Promise<void>((onItsWay) => {
      const delay = async (route: Route) => {
        const answer = await route.fetch();
        onItsWay();
        await new Promise<void>((resolve) => (deliver = resolve));
        await route.fulfill({ response: answer });
      };
      void page.route(list, delay, { times: 1 });
    });
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.locator('#mine').textContent()).toBe('');
    expect(await page.getByLabel('Special requests').inputValue()).toBe('');
    await signUp(page, newEmail());
    await page.locator('#mine', { hasText: 'None yet.' }).waitFor();
    deliver();
    await page.waitForTimeout(1_000);
    expect(await page.locator('#mine').textContent()).toBe('My bookingsNone yet.');
    expect(await page.getByLabel('Special requests').inputValue()).toBe('');
  });
});

describe('no page has a serious or critical fault for axe-core', () => {
  test.each([
    ['desktop', { viewport: { width: 1280, height: 900 } }],
    ['phone, dark', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' as const }],
  ])('the booking page at every step (%s)', async (_name, options) => {
    const page = await openPage(options);
    await openDay(page, home(), 'Workshop C', options.viewport.width === 390 ? 6 : 7);
    expect(await axeFaults(page)).toEqual([]);
    await slot(page, '09:00').click();
    await page.getByRole('button', { name: /^Hold for/ }).click();
    await page.getByRole('dialog').waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await signUp(page, newEmail());
    await cardSays(page, 'Pay to confirm');
    expect(await axeFaults(page)).toEqual([]);
    const widths: unknown = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
    const [wide = 0, seen = 0] = widths as number[];
    expect(wide).toBeLessThanOrEqual(seen);
    await page.getByRole('button', { name: 'Release the slot' }).click();
    await cardSays(page, 'Cancelled');
    await page.context().close();
  });

  test.each(['/payment/success', '/payment/cancel', '/docs/problems'])('%s', async (path) => {
    const page = await openPage();
    await page.goto(machine.apiUrl + path);
    expect(await axeFaults(page)).toEqual([]);
    await page.context().close();
  });

  test('/docs, where a login by "Try it out" is enough to make a booking', async () => {
    const page = await openPage();
    await page.goto(`${machine.apiUrl}/docs`);
    const tryOut = async (id: string) => {
      const operation = page.locator(`[id$="${id}"]`);
      await operation.locator('.opblock-summary-control').click();
      await operation.getByRole('button', { name: 'Try it out' }).click();
      await operation.getByRole('button', { name: 'Execute' }).click();
      return operation
        .locator('.live-responses-table tbody .response-col_status')
        .first()
        .innerText(slowMachine);
    };
    expect(await tryOut('post_login')).toContain('200');
    expect(await tryOut('post_bookings')).toContain('201');
    expect(await axeFaults(page)).toEqual([]);
    await page.context().close();
  });
});

describe('the booking page by keyboard alone', () => {
  test('chooses a slot, and shows where the focus is', async () => {
    const page = await openPage();
    await openDay(page, home(), 'Workshop C', 8);
    await slot(page, '00:00').focus();
    await page.keyboard.press('Tab');
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    expect(outline).toBe('solid');
    await page.keyboard.press('Enter');
    const hold = page.getByRole('button', { name: /^Hold for/ });
    await hold.waitFor();
    expect(await page.getByLabel('From').inputValue()).toBe('00:30:00');
    await hold.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.context().close();
  });
});
