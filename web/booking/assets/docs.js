// Swagger UI over our own document. Logging in with "Try it out" authorises the other calls too.
const ui = globalThis.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger',
  // Deep links would put a link inside every operation's button, which screen readers cannot tell apart.
  deepLinking: false,
  // No badge from an external validator.
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

/** Names the controls that Swagger UI leaves without a name, and makes its scrolling boxes reachable by keyboard. */
function addNames() {
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
if (place) new MutationObserver(addNames).observe(place, { childList: true, subtree: true });
