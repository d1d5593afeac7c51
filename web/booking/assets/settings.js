/** What the server says about itself in the page's head (web/booking/settings.ts). Nothing in it is a secret. */
const tag = document.querySelector('meta[name="site-settings"]');

/** @type {import('../settings.ts').SiteSettings} */
export const settings = JSON.parse(tag?.getAttribute('content') ?? '{}');
