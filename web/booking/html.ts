/** Text as it may stand between tags and in double-quoted attributes. */
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

/** The document around a page's own HTML. `head` and `body` are HTML, the title is text. */
export function document(page: { title: string; body: string; head?: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(page.title)}</title>
<link rel="icon" href="/site/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/site/site.css">
${page.head ?? ''}</head>
<body>
${page.body}
</body>
</html>
`;
}

/** The bar at the top of every page. `account` is HTML that stands at its right. */
export function topBar(account = ''): string {
  return `<a class="skip" href="#main">Skip to the content</a>
<header class="top">
  <a class="brand" href="/"><img src="/site/icon.svg" alt="" width="28" height="28"><span>Book a room</span></a>
  <nav aria-label="Pages"><a href="/">Rooms</a> <a href="/docs">API</a></nav>
  <div class="account" id="account">${account}</div>
</header>`;
}
