import { invalidRequest, missingParameter, unknownParameter, unsupportedParameter } from './errors.ts';
import type { Form, FormValue } from './form.ts';
import type { Metadata } from './types.ts';

/** Turns one parameter into its value or throws Stripe's error; `name` is as the caller wrote it. */
export type Reader<T> = (value: FormValue, name: string) => T;
type Shape = Record<string, Reader<unknown>>;
export type Params<S extends Shape> = { [K in keyof S]?: ReturnType<S[K]> };

/** Reads what is there; a name that the shape does not have is `parameter_unknown`. */
export function readParams<S extends Shape>(form: Form, shape: S, prefix = ''): Params<S> {
  const params: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(form)) {
    const name = prefix ? `${prefix}[${key}]` : key;
    const reader = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (!reader) throw unknownParameter(name);
    params[key] = reader(value, name);
  }
  return params as Params<S>;
}

export function required<T>(value: T | undefined, param: string): T {
  if (value === undefined || value === '') throw missingParameter(param);
  return value;
}

/** `null` stands for an empty string, which is Stripe's way to unset a parameter. */
export function text(charsMax = 5000): Reader<string | null> {
  return (value, name) => {
    if (typeof value !== 'string') throw invalidRequest('Invalid string', { param: name });
    if (value.length > charsMax) {
      throw invalidRequest(`Invalid string; must be at most ${charsMax} characters`, { param: name });
    }
    return value === '' ? null : value;
  };
}

export const email: Reader<string | null> = (value, name) => {
  const address = text(512)(value, name);
  if (address !== null && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(address)) {
    throw invalidRequest(`Invalid email address: ${address}`, { code: 'email_invalid', param: name });
  }
  return address;
};

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value, name) => {
    const found = filled(value, name);
    if (!/^-?\d{1,15}$/.test(found)) {
      throw invalidRequest(`Invalid integer: ${found}`, { code: 'parameter_invalid_integer', param: name });
    }
    const number = Number(found);
    const bound = number < min ? `greater than or equal to ${min}` : `less than or equal to ${max}`;
    if (number < min || number > max) {
      throw invalidRequest(`This value must be ${bound}.`, {
        code: 'parameter_invalid_integer',
        param: name,
      });
    }
    return number;
  };
}

export const flag: Reader<boolean> = (value, name) => {
  const found = filled(value, name);
  if (found !== 'true' && found !== 'false') {
    throw invalidRequest(`Invalid boolean: ${found}`, { param: name });
  }
  return found === 'true';
};

export function oneOf<const T extends string>(options: readonly T[]): Reader<T> {
  return (value, name) => {
    const found = filled(value, name);
    const option = options.find((each) => each === found);
    if (option === undefined) {
      const list =
        options.length > 1 ? `${options.slice(0, -1).join(', ')}, or ${options.at(-1)}` : options.join();
      throw invalidRequest(`Invalid ${name}: must be one of ${list}`, { param: name });
    }
    return option;
  };
}

export function listOf<T>(reader: Reader<T>): Reader<T[]> {
  return (value, name) => {
    if (typeof value === 'string') throw invalidRequest('Invalid array', { param: name });
    return Object.entries(value).map(([key, each]) => reader(each, `${name}[${key}]`));
  };
}

export function record<S extends Shape>(shape: S): Reader<Params<S>> {
  return (value, name) => {
    if (typeof value === 'string') throw invalidRequest('Invalid object', { param: name });
    return readParams(value, shape, name);
  };
}

/** A value or a record of bounds, such as `created=1` and `created[gte]=1`. */
export const range: Reader<{ gt?: number; gte?: number; lt?: number; lte?: number }> = (value, name) => {
  const bound = integer(0);
  if (typeof value !== 'string') {
    return readParams(value, { gt: bound, gte: bound, lt: bound, lte: bound }, name);
  }
  const exact = bound(value, name);
  return { gte: exact, lte: exact };
};

/**
 * At most 50 keys of 40 characters with values of 500 (https://docs.stripe.com/api/metadata).
 * `null` clears everything; an empty value unsets its key.
 */
export const metadata: Reader<Metadata | null> = (value, name) => {
  if (value === '') return null;
  if (typeof value === 'string') throw invalidRequest('Invalid object', { param: name });
  const entries = Object.entries(value);
  if (entries.length > 50) throw invalidRequest('Metadata can have up to 50 keys.', { param: name });
  const found: Metadata = {};
  for (const [key, each] of entries) {
    const param = `${name}[${key}]`;
    if (typeof each !== 'string') throw invalidRequest('Metadata values must be strings.', { param });
    if (key.length > 40) throw invalidRequest('Metadata keys can have up to 40 characters.', { param });
    if (each.length > 500) throw invalidRequest('Metadata values can have up to 500 characters.', { param });
    found[key] = each;
  }
  return found;
};

/** The metadata after an update: named keys change, empty ones go, `null` empties everything. */
export function mergeMetadata(before: Metadata, change: Metadata | null | undefined): Metadata {
  if (change === undefined) return before;
  if (change === null) return {};
  return Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, value]) => value !== ''));
}

/** Accepted and without any effect here, because it has none on the server side of Stripe either. */
export const ignored: Reader<undefined> = () => undefined;

export const unsupported: Reader<never> = (_value, name) => {
  throw unsupportedParameter(name);
};

function filled(value: FormValue, name: string): string {
  if (typeof value !== 'string') throw invalidRequest('Invalid value', { param: name });
  if (value !== '') return value;
  throw invalidRequest(
    `You passed an empty string for '${name}'. We assume empty values are an attempt to unset a parameter; ` +
      `however '${name}' cannot be unset. You should remove '${name}' from your request or supply a non-empty value.`,
    { code: 'parameter_invalid_empty', param: name },
  );
}
