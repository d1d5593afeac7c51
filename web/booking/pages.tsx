import { type ProblemCode, problems } from '../../domain/problems.ts';
import { document, escapeHtml, topBar } from './document.tsx';
import type { SiteSettings } from './settings.ts';

const script = (path: string) => <script type="module" src={path} />;

const noScript = '<noscript><p class="notice wait">This page needs JavaScript.</p></noscript>';

/** The booking page. `/site/app.js` fills it from the public API. */
export function bookingPage(settings: SiteSettings): string {
  return document({
    title: 'Book a room',
    head: (
      <>
        <meta name="site-settings" content={JSON.stringify(settings)} />
        {script('/site/app.js')}
      </>
    ),
    body: `${topBar()}
<main id="main" tabindex="-1">
  ${noScript}
  <p id="account-notice" class="notice bad" role="alert" hidden></p>
  <p id="page-notice" class="notice bad" role="alert" hidden></p>
  <div class="booking">
    <div class="choice">
      <section class="card" aria-labelledby="rooms-title">
        <h1 id="rooms-title">Choose a room</h1>
        <div id="rooms" class="rooms" role="radiogroup" aria-labelledby="rooms-title"></div>
      </section>
      <section class="card" aria-labelledby="slots-title">
        <h2 id="slots-title">Choose a time</h2>
        <div id="day" class="day"></div>
        <p id="slots-zone" class="hint"></p>
        <div id="slots" class="slots" role="group" aria-labelledby="slots-title"></div>
        <ul class="legend" aria-label="Colour key">
          <li><i class="swatch free"></i>free</li>
          <li><i class="swatch mine"></i>chosen</li>
          <li><i class="swatch held"></i>held, not paid yet</li>
          <li><i class="swatch booked"></i>booked</li>
          <li><i class="swatch past"></i>past or closed</li>
        </ul>
      </section>
    </div>
    <section class="card booking-card" id="booking-card" aria-labelledby="booking-card-title" tabindex="-1"></section>
  </div>
  <section class="card" id="mine" aria-labelledby="mine-title" hidden></section>
</main>
<dialog id="sign-in" aria-labelledby="sign-in-title"></dialog>`,
  });
}

/** The page that Stripe returns the customer to: what happened, and where to go next. */
export function paymentPage(outcome: 'success' | 'cancel'): string {
  const text =
    outcome === 'success'
      ? {
          title: 'Thank you',
          line: 'Your payment is being processed. Your booking is confirmed as soon as it arrives.',
        }
      : {
          title: 'Payment cancelled',
          line: 'The slot is held for you until the hold expires, so you can still pay for it.',
        };
  return document({
    title: text.title,
    head: outcome === 'success' && script('/site/payment-page.js'),
    body: `${topBar()}
<main id="main" class="narrow" tabindex="-1">
  <section class="card ending ${outcome}" aria-labelledby="title">
    <h1 id="title">${text.title}</h1>
    <p id="outcome" role="status">${text.line}</p>
    <div id="booking"></div>
    <p class="actions"><a class="button" href="/#mine">My bookings</a> <a href="/">Book another room</a></p>
  </section>
</main>`,
  });
}

/** The API documentation: Swagger UI over our OpenAPI document, all from our own files. */
export function docsPage(): string {
  return document({
    title: 'API · Book a room',
    head: (
      <>
        <link rel="stylesheet" href="/docs/swagger-ui.css" />
        <link rel="stylesheet" href="/site/docs.css" />
        <script src="/docs/swagger-ui-bundle.js" defer />
        <script src="/site/docs.js" defer />
      </>
    ),
    body: `${topBar('<a href="/openapi.json">openapi.json</a> <a href="/docs/problems">Problems</a>')}
<main id="main" class="docs" tabindex="-1"><div id="swagger"></div>${noScript}</main>`,
  });
}

/** The catalogue of refusals. The `type` of every problem+json links to its line here. */
export function problemsPage(): string {
  const codes = Object.keys(problems) as ProblemCode[];
  const rows = codes.map(
    (code) =>
      `<tr id="${code}"><td><a href="#${code}"><code>${code}</code></a></td><td>${problems[code].status}</td><td>${escapeHtml(problems[code].title)}</td></tr>`,
  );
  return document({
    title: 'Problems · Book a room',
    body: `${topBar('<a href="/docs">API</a>')}
<main id="main" tabindex="-1">
  <section class="card">
    <h1>Problems</h1>
    <p>Every refusal is <code>application/problem+json</code>
      (<a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a>). Branch on <code>code</code>, which never
      changes; show <code>detail</code> to people.</p>
    <div class="scroll"><table class="list">
      <caption class="unseen">Problem codes</caption>
      <thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Title</th></tr></thead>
      <tbody>${rows.join('\n')}</tbody>
    </table></div>
  </section>
</main>`,
  });
}
