import { z } from 'zod';
import type { Route } from '../../http/route.ts';

/** Values as JSON text, since JSON.stringify cannot write some of them. */
const garbageValues: Record<string, string> = {
  NUL: '"\\u0000"',
  'NUL inside': '"a\\u0000b"',
  'half a surrogate pair': '"\\ud800"',
  'the other half': '"x\\udfff"',
  infinity: '"infinity"',
  '-infinity': '"-infinity"',
  NaN: '"NaN"',
  '1e400': '1e400',
  '-0': '-0',
  'a fraction': '0.1',
  '2^31': '2147483648',
  '2^53 + 1': '9007199254740993',
  '2^63': '9223372036854775808',
  '2^63 as text': '"9223372036854775808"',
  'the year 300000': '"300000-01-01"',
  'a year with a sign': '"+300000-01-01"',
  'no such day': '"2027-02-30"',
  'a leap second': '"23:59:60"',
  'an e-mail of 10,000 characters': `"${'a'.repeat(9_988)}@example.com"`,
  'an e-mail of dots': `"${'a.'.repeat(4_994)}@example.com"`,
  'an empty text': '""',
  'text of 60,000 characters': `"${'x'.repeat(60_000)}"`,
  null: 'null',
  true: 'true',
  'an array': '[]',
  'an array of arrays': '[[[1]]]',
  'an object': '{"$gt":0}',
  __proto__: '{"__proto__":{"is_staff":true}}',
  constructor: '{"constructor":{"prototype":{"is_staff":true}}}',
  SQL: '"1\'); drop table bookings; --"',
  'a template': '"${7*7}{{7*7}}%s%n"',
  'line breaks': '"a\\r\\nSet-Cookie: x=y"',
  '30,000 levels deep': `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
};

/** Whole bodies. */
const garbageBodies: Record<string, string> = {
  'an array root': '[]',
  'an array of bodies': '[{},{}]',
  'a text root': '"text"',
  'a number root': '7',
  'null root': 'null',
  'cut off': '{"a":',
  'two documents': '{}{}',
  'a comment': '{/* */}',
  'single quotes': "{'a':1}",
  'a byte order mark alone': '\ufeff',
  '200,000 levels deep': `${'['.repeat(200_000)}${']'.repeat(200_000)}`,
  '200,000 objects deep': `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`,
  '10,000 elements': `[${'0,'.repeat(9_999)}0]`,
  '3,000 unknown fields': `{${Array.from({ length: 3_000 }, (_, n) => `"f${n}":0`).join()}}`,
  '__proto__ as a field': '{"__proto__":{"is_staff":true}}',
  'constructor as a field': '{"constructor":{"prototype":{}}}',
  '65 KiB of space': `${' '.repeat(65 * 1024)}{}`,
};

/** Parts of an address, percent-encoded where they must be. */
const garbageTexts = [
  '%00',
  'a%00b',
  '%ED%A0%80',
  '%FF%FE',
  '%E0%A4%A',
  'infinity',
  'NaN',
  '-1',
  '0',
  '1e9',
  '2147483648',
  '9223372036854775808',
  '300000-01-01',
  '%2B300000-01-01',
  "1'%20or%201=1--",
  '..%2f..%2fetc%2fpasswd',
  '%5B%5D',
  '1,2',
  '__proto__',
  'x'.repeat(1_500),
];

export interface Garbage {
  what: string;
  method: string;
  path: string;
  body?: string;
}

interface Shape {
  properties?: Record<string, unknown>;
}
const fieldsOf = (schema: z.ZodType | undefined): string[] =>
  schema
    ? Object.keys((z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape).properties ?? {})
    : [];

/** Replaces `{id}` and the like by the id of nothing that exists. */
const nowhere = (path: string) => path.replace(/\{\w+\}/g, '2147483647');

function bodyOf(route: Route): Record<string, unknown> {
  const { example } = route;
  return { ...((typeof example === 'function' ? (example as () => object)() : example) as object) };
}

/** All garbage for one route: each value in each field of its body, whole bodies, parameters of path and query. */
export function* garbageFor(route: Route): Generator<Garbage> {
  const { method } = route;
  const path = nowhere(route.path);
  const name = `${method} ${route.path}`;
  const given = bodyOf(route);
  for (const field of fieldsOf(route.body)) {
    for (const [what, value] of Object.entries(garbageValues)) {
      const body = JSON.stringify({ ...given, [field]: 'PLACE' }).replace('"PLACE"', () => value);
      yield { what: `${name}: ${what} as ${field}`, method, path, body };
    }
    const pair = `"${field}":${JSON.stringify(given[field] ?? 1)}`;
    yield { what: `${name}: ${field} twice`, method, path, body: `{${pair},${pair}}` };
    yield { what: `${name}: ${field} as an escape`, method, path, body: `{"\\u0000${field}":1}` };
  }
  if (route.body || method === 'POST') {
    for (const [what, body] of Object.entries(garbageBodies)) {
      if (route.body || route.path.includes('webhook'))
        yield { what: `${name}: ${what}`, method, path, body };
    }
  }
  for (const field of [...fieldsOf(route.query), ...(route.query ? ['unknown', '__proto__'] : [])]) {
    for (const text of garbageTexts) {
      yield { what: `${name}: ?${field}=${text.slice(0, 30)}`, method, path: `${path}?${field}=${text}` };
    }
    yield { what: `${name}: ?${field} twice`, method, path: `${path}?${field}=1&${field}=2` };
  }
  for (const text of route.params ? garbageTexts : []) {
    yield { what: `${name}: /${text.slice(0, 30)}/`, method, path: route.path.replace(/\{\w+\}/, text) };
  }
}
