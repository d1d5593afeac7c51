import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { isMap, isScalar, parse, parseDocument, Scalar, visit } from 'yaml';
import { shape } from '../config/shape.ts';

/** The parts of a compose file that the tests look at. */
export interface Service {
  image?: string;
  build?: { context: string; target: string };
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string | number | null>;
  depends_on?: Record<string, { condition: string }>;
  volumes?: string[];
  ports?: string[];
  restart?: string;
  read_only?: boolean;
  stop_grace_period?: string;
  healthcheck?: { test?: string[]; disable?: boolean };
}

export interface ComposeFile {
  services: Record<string, Service>;
  volumes?: Record<string, unknown>;
  'x-no-health-check'?: Record<string, string>;
}

export const root = join(import.meta.dirname, '..');
export const read = (path: string) => readFileSync(join(root, path), 'utf8');

export const readCompose = (path: string) => parse(read(path), { merge: true }) as ComposeFile;

/** The settings that `.env.example` sets as it stands. */
export const exampleEnv = () => parseEnv(read('.env.example')) as Record<string, string>;

/** Every name in `.env.example`, those in comments too. */
export function exampleNames(): string[] {
  return [...read('.env.example').matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map((match) => match[1] as string);
}

/** The names that config.ts reads. */
export const configNames = (): string[] => Object.keys(shape.shape);

/** All TypeScript files below a folder, or the one file. */
export function sourcesOf(path: string): string[] {
  if (/\.\w+$/.test(path)) return [path];
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|tsx|mjs)$/.test(name))
    .map((name) => join(path, name));
}

/** Values of variables as Compose puts them in: `${A}`, `${A:-default}`, `${A:?message}`, nested; `$$` is a `$`. */
export function interpolate(text: string, env: Record<string, string>): string {
  let out = '';
  for (let at = 0; at < text.length; at++) {
    if (text.startsWith('$$', at)) {
      out += '$';
      at++;
    } else if (text.startsWith('${', at)) {
      const end = endOfVariable(text, at + 2);
      out += valueOf(text.slice(at + 2, end), env);
      at = end;
    } else {
      out += text[at];
    }
  }
  return out;
}

function endOfVariable(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text.startsWith('${', at)) depth++;
    if (text[at] === '}' && --depth === 0) return at;
  }
  throw new Error(`no end of the variable in ${text}`);
}

function valueOf(inner: string, env: Record<string, string>): string {
  const parsed = /^([A-Z][A-Z0-9_]*)(?::([-?])([\s\S]*))?$/.exec(inner);
  if (!parsed) throw new Error(`\${${inner}} is of no form that the compose files use`);
  const [, name = '', operator, rest = ''] = parsed;
  const value = env[name];
  if (value) return value;
  if (operator === '?') throw new Error(`required variable ${name} is missing a value: ${rest}`);
  return operator === '-' ? interpolate(rest, env) : '';
}

/** The names of all variables in a compose file. */
export const variablesOf = (path: string) => [
  ...new Set([...read(path).matchAll(/(?<!\$)\$\{([A-Z][A-Z0-9_]*)/g)].map((match) => match[1] as string)),
];

/** `40s` → 40. */
export const seconds = (text: string | undefined) => Number(/^(\d+)s$/.exec(text ?? '')?.[1]);

/** What one COPY after another puts into a stage of the Dockerfile, its base stages' included. */
export function copiedInto(stage: string): string[] {
  const parts = read('Dockerfile')
    .split(/^FROM /m)
    .slice(1);
  const found = parts.find((part) => new RegExp(`^\\S+ AS ${stage}\\b`).test(part));
  if (!found) throw new Error(`the Dockerfile has no stage ${stage}`);
  const base = found.split(' ', 1)[0] as string;
  const copies = [...found.matchAll(/^COPY (.+)$/gm)].flatMap((match) => copyOf(match[1] as string));
  return [...(base.includes(':') ? [] : copiedInto(base)), ...copies];
}

function copyOf(line: string): string[] {
  const from = /--from=(\S+)/.exec(line)?.[1];
  const paths = line.split(' ').filter((part) => !part.startsWith('--'));
  return from ? copiedInto(from) : paths.slice(0, -1);
}

/** The keys whose values Compose wants as something else than text: switches and counts. */
const notText = new Set(['init', 'read_only', 'disable', 'retries']);

/**
 * What is not a quoted text where Compose wants a text, by its line: a word that YAML may read as a number, a switch or
 * a mapping, and a mapping where a list of texts should be.
 */
export function findUnquoted(text: string): string[] {
  const document = parseDocument(text, { merge: true });
  const faults: string[] = [];
  const note = (offset: number | undefined, what: string) => {
    faults.push(`line ${text.slice(0, offset ?? 0).split('\n').length}: ${what}`);
  };
  visit(document, {
    Pair(_, { key, value }) {
      if (!isScalar(value) || (isScalar(key) && notText.has(String(key.value)))) return;
      if (!isQuoted(value)) note(value.range?.[0], `${String(key)} is not quoted`);
    },
    Seq(_, { items }) {
      for (const item of items) {
        if (isMap(item)) note(item.range?.[0], 'a mapping in a list');
        else if (isScalar(item) && !isQuoted(item))
          note(item.range?.[0], `${String(item.value)} is not quoted`);
      }
    },
  });
  return faults;
}

const isQuoted = ({ type }: Scalar) => type === Scalar.QUOTE_DOUBLE || type === Scalar.QUOTE_SINGLE;
