/** A decoded form: strings at the leaves; lists are records with the keys 0, 1, 2 … */
export type FormValue = string | Form;
export interface Form {
  [name: string]: FormValue;
}

/**
 * Decodes application/x-www-form-urlencoded with Stripe's nested brackets: `a[b][c]=1`, `a[0]=x`, `a[]=x`.
 * A query string is decoded the same way. When a name is both a value and a record, the later one wins.
 */
export function parseForm(text: string): Form {
  const form = emptyForm();
  for (const [name, value] of new URLSearchParams(text)) {
    setDeep(form, pathOf(name), value);
  }
  return form;
}

// Without a prototype, so that a parameter called "constructor" or "__proto__" is only a name.
function emptyForm(): Form {
  return Object.create(null) as Form;
}

/** `a[b][]` → ['a', 'b', ''] */
function pathOf(name: string): string[] {
  const open = name.indexOf('[');
  if (open <= 0 || !name.endsWith(']')) return [name];
  return [name.slice(0, open), ...name.slice(open + 1, -1).split('][')];
}

function setDeep(form: Form, path: string[], value: string): void {
  let here = form;
  for (const [depth, part] of path.entries()) {
    const key = part === '' ? String(Object.keys(here).length) : part;
    if (depth === path.length - 1) {
      here[key] = value;
      return;
    }
    let next = here[key];
    if (next === undefined || typeof next === 'string') {
      next = emptyForm();
      here[key] = next;
    }
    here = next;
  }
}

/** The same text for the same parameters, whatever their order in the request. */
export function canonicalForm(value: FormValue): string {
  if (typeof value === 'string') return JSON.stringify(value);
  const parts = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalForm(value[key] ?? '')}`);
  return `{${parts.join(',')}}`;
}
