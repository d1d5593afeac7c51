/** The settings that the server puts into the page's head (web/booking/settings.ts). None is a secret. */
const tag = document.querySelector('meta[name="site-settings"]');

/** @type {import('../settings.ts').SiteSettings} */
export const settings = JSON.parse(tag?.getAttribute('content') ?? '{}');
