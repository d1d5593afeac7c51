type Directives = Readonly<Record<string, readonly string[]>>;

const base: Directives = {
  'default-src': ["'none'"],
  'style-src': ["'self'"],
  'img-src': ["'self'"],
  'form-action': ["'self'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/** A Content-Security-Policy of our own stylesheets, pictures and forms, plus the directives given here. */
export function contentPolicy(more: Directives = {}): string {
  return Object.entries({ ...base, ...more })
    .map(([name, values]) => `${name} ${values.join(' ')}`)
    .join('; ');
}

/** For pages that run our own scripts, which call our own API. */
export const ownScripts: Directives = { 'script-src': ["'self'"], 'connect-src': ["'self'"] };
