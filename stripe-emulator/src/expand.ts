import { invalidRequest } from './errors.ts';
import type { Tables } from './tables.ts';

/** The fields whose id can be replaced by the object, and where the object is found. */
const expandable = {
  latest_charge: 'charges',
  charge: 'charges',
  payment_intent: 'paymentIntents',
  payment_method: 'paymentMethods',
} as const;

/** https://docs.stripe.com/api/expanding_objects, with dots for depth and `data.` for the rows of a list. */
export function expandObject(tables: Tables, answer: object, paths: readonly (string | null)[]): object {
  if (paths.length === 0) return answer;
  const expanded = structuredClone(answer) as Record<string, unknown>;
  for (const path of paths) {
    if (path !== null) expandPath(tables, expanded, path.split('.'), path);
  }
  return expanded;
}

function expandPath(
  tables: Tables,
  here: Record<string, unknown>,
  parts: readonly string[],
  path: string,
): void {
  const [name, ...rest] = parts;
  if (name === undefined) return;
  const value = here[name];
  if (Array.isArray(value)) {
    for (const row of value) expandPath(tables, row as Record<string, unknown>, rest, path);
    return;
  }
  if (!(name in here) || !Object.hasOwn(expandable, name)) {
    throw invalidRequest(`This property cannot be expanded (${path}).`, { param: 'expand' });
  }
  if (typeof value === 'string') {
    here[name] = structuredClone(tables[expandable[name as keyof typeof expandable]].get(value) ?? value);
  }
  const next = here[name];
  if (rest.length > 0 && typeof next === 'object' && next !== null) {
    expandPath(tables, next as Record<string, unknown>, rest, path);
  }
}
