// Swagger UI over our own document. Whoever logs in by "Try it out" is authorised for the other calls at once.
const ui = globalThis.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger',
  // With it every operation's button would have a link inside, which a screen reader cannot tell apart.
  deepLinking: false,
  // No badge of a validator somewhere else.
  validatorUrl: null,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  responseInterceptor(response) {
    if (response.ok && response.url.endsWith('/api/login/')) {
      ui.preauthorizeApiKey('bearer', JSON.parse(response.text).access);
    }
    return response;
  },
});

/** @type {[string, string][]} */
const names = [
  ['#servers', 'Server'],
  ['.body-param textarea', 'Request body'],
  ['.content-type-wrapper select, .response-control-media-type select, select.content-type', 'Media type'],
  ['.parameters input', 'Parameter'],
];

/** Swagger UI leaves some controls without a name, and boxes that scroll out of the keyboard's reach. */
function mend() {
  for (const [selector, name] of names) {
    for (const control of document.querySelectorAll(selector)) {
      if (!control.hasAttribute('aria-label'))
        control.setAttribute('aria-label', control.getAttribute('placeholder') || name);
    }
  }
  for (const box of document.querySelectorAll('pre, .highlight-code, .microlight')) {
    if (!box.hasAttribute('tabindex')) box.setAttribute('tabindex', '0');
  }
}

const place = document.getElementById('swagger');
if (place) new MutationObserver(mend).observe(place, { childList: true, subtree: true });
