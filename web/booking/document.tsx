import type { ComponentChildren } from 'preact';
import { printDocument, Shell } from '../shell.tsx';

/** Escapes text for use between tags and in double-quoted attributes. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (sign) => names[sign] ?? sign);
}

/** A page for guests. `body` is HTML. */
export function document(page: { title: string; body: string; head?: ComponentChildren }): string {
  const head = (
    <>
      <meta name="color-scheme" content="light dark" />
      {page.head}
    </>
  );
  return printDocument(
    <Shell title={page.title} assets="/site" stylesheet="site.css" head={head}>
      <body dangerouslySetInnerHTML={{ __html: page.body }} />
    </Shell>,
  );
}

/** The bar at the top of every page, as HTML. `account` is the HTML at its right end. */
export function topBar(account = ''): string {
  return `<a class="skip" href="#main">Skip to content</a>
<header class="top">
  <a class="brand" href="/"><img src="/site/icon.svg" alt="" width="28" height="28"><span>Book a room</span></a>
  <nav aria-label="Pages"><a href="/">Rooms</a> <a href="/docs">API</a></nav>
  <div class="account" id="account">${account}</div>
</header>`;
}
