import type { Page } from 'playwright-core';

/** What a guest does on the booking page, by what they see: labels, buttons, headings. */

export const testCards = {
  pays: '4242 4242 4242 4242',
  declines: '4000 0000 0000 9995',
  asks: '4000 0025 0000 3155',
};

/** The booking page at a room, some days ahead, with its slots. */
export async function openDay(page: Page, url: string, room: string, daysAhead: number): Promise<void> {
  await page.goto(url);
  await page.getByRole('radio', { name: new RegExp(room) }).check();
  const date = new Date(Date.now() + daysAhead * 86_400_000).toISOString().slice(0, 10);
  // The day's name is painted together with its slots.
  await page.locator('#date').fill(date);
  const name = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone: 'UTC' });
  await page.locator('.day-name', { hasText: name.format(new Date(date)) }).waitFor();
  await page.locator('button.slot').first().waitFor();
}

/** The slot that begins then; with a state, only while it has that one. */
export const slot = (page: Page, start: string, state?: 'free' | 'held' | 'booked') =>
  page
    .locator(state ? `button.slot.${state}` : 'button.slot')
    .filter({ has: page.locator('.slot-time', { hasText: start }) });

/** Chooses from the slot that begins at `first` to the one that begins at `last`, and holds them. */
export async function hold(page: Page, first: string, last = first): Promise<void> {
  await slot(page, first).click();
  if (last !== first) await slot(page, last).click();
  await page.getByRole('button', { name: /^Hold for/ }).click();
}

/** Registers in the dialog that a hold opens for a guest who is not signed in. */
export async function signUp(page: Page, email: string, password = 'correct horse'): Promise<void> {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Create account' }).click();
  await dialog.getByLabel('E-mail').fill(email);
  await dialog.getByLabel('Password', { exact: true }).fill(password);
  await dialog.getByLabel('Confirm password').fill(password);
  await dialog.getByRole('button', { name: 'Create account' }).click();
}

/** Fills in a test card with one click, as debug allows, and pays. */
export async function pay(page: Page, card: keyof typeof testCards): Promise<void> {
  await page.getByRole('button', { name: testCards[card] }).click();
  await page.getByRole('button', { name: /^Pay USD/ }).click();
}

/** Waits until the booking card has this heading. */
export async function cardSays(page: Page, title: string): Promise<void> {
  await page.getByRole('region', { name: title }).waitFor();
}
