import { type Db, runOn } from './knex.ts';

interface Parsed {
  source: string;
  /** The text with `$1`, `$2` …, as Postgres numbers parameters. */
  text: string;
  /** The names of the parameters, in the order of `$1`, `$2` … */
  parameters: string[];
}

const parsedByName = new Map<string, Parsed>();

// Alternatives that are skipped come first: strings, quoted names and comments, in which a colon means nothing, and
// casts (`::int`).
const tokens = /'(?:[^']|'')*'|"[^"]*"|--[^\n]*|\/\*[\s\S]*?\*\/|::|:([a-z][A-Za-z0-9]*)/g;

function parse(source: string): Parsed {
  const parameters: string[] = [];
  const text = source.replace(tokens, (token: string, name: string | undefined) => {
    if (name === undefined) return token;
    if (!parameters.includes(name)) parameters.push(name);
    return `$${parameters.indexOf(name) + 1}`;
  });
  return { source, text, parameters };
}

function parsedOf(name: string, source: string): Parsed {
  let parsed = parsedByName.get(name);
  if (!parsed) {
    parsed = parse(source);
    parsedByName.set(name, parsed);
  }
  if (parsed.source !== source) throw new Error(`Two statements are called ${name}.`);
  return parsed;
}

function valuesOf(name: string, parameters: string[], given: Readonly<Record<string, unknown>>): unknown[] {
  const unknown = Object.keys(given).filter((key) => !parameters.includes(key));
  if (unknown.length > 0) throw new Error(`The statement ${name} has no parameter ${unknown.join(', ')}.`);
  return parameters.map((parameter) => {
    // `null` is a value; without this check a forgotten parameter would silently become one.
    if (given[parameter] === undefined) throw new Error(`The statement ${name} needs ${parameter}.`);
    return given[parameter];
  });
}

const camelCase = (column: string) =>
  column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/**
 * Runs a statement of the service's own: prepared once a connection (where the connection keeps statements), one round trip.
 * @param name stands for this text only, in snake_case
 * @param text with `:name` for its parameters; one may stand in several places
 * @param parameters exactly those that the text names; `null` is SQL's, `undefined` is refused
 * @returns rows whose columns are in camelCase: `room_id` comes as `roomId`
 */
export async function sql<Row>(
  db: Db,
  name: string,
  text: string,
  parameters: Readonly<Record<string, unknown>> = {},
): Promise<Row[]> {
  const parsed = parsedOf(name, text);
  const values = valuesOf(name, parsed.parameters, parameters);
  const { rows, fields } = await runOn(db, { name, text: parsed.text, values });
  const renamed = fields.filter((field) => field.name.includes('_'));
  if (renamed.length === 0) return rows as Row[];
  const names = fields.map((field) => [field.name, camelCase(field.name)] as const);
  return rows.map((row: Record<string, unknown>) =>
    Object.fromEntries(names.map(([column, key]) => [key, row[column]])),
  ) as Row[];
}
