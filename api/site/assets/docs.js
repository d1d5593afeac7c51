/* global SwaggerUIBundle */
// Swagger UI over our own document. Whoever logs in by "Try it out" is authorised for the other calls at once.
const ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger',
  deepLinking: true,
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
