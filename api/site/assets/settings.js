/** What the server says about itself in the page's head (api/site/settings.ts). Nothing in it is a secret. */
const tag = document.querySelector('meta[name="site-settings"]');

export const settings = JSON.parse(tag?.getAttribute('content') ?? '{}');
