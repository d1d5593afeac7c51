import { z } from 'zod';
import { idempotencyKeyCharsMax } from '../domain/limits.ts';
import { Problem, type ProblemCode, problems } from '../domain/problems.ts';
import { idempotencyKeyPattern } from './idempotency.ts';
import { problemDocument } from './problems.ts';
import type { Route } from './route.ts';

type Json = Record<string, unknown>;

/** The refusals that any route may answer with. */
const commonProblems: readonly ProblemCode[] = [
  'too_many_requests',
  'internal_error',
  'overloaded',
  'database_unavailable',
];
/** The refusals of a request that cannot be parsed. */
const protocolProblems: readonly ProblemCode[] = [
  'malformed_request',
  'request_timeout',
  'headers_too_large',
];
const bodyProblems: readonly ProblemCode[] = [
  'invalid_request',
  'malformed_json',
  'payload_too_large',
  'unsupported_media_type',
];

const problemSchema: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'instance', 'error'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(problems) },
    instance: { type: 'string', description: 'The id of the request.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
    conflicting_booking: {
      type: 'object',
      properties: { start_time: { type: 'string' }, end_time: { type: 'string' } },
    },
    error: { type: 'string', description: 'The title again, for older clients.' },
  },
};

/** The OpenAPI 3.1 document, printed from the routes that are served, so that both agree. */
export function printOpenApi(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const methods = paths[route.path] ?? {};
    methods[route.method.toLowerCase()] = operationOf(route);
    paths[route.path] = methods;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Booking Service',
      version: '1',
      description:
        'Book a room and pay for it. Every refusal is application/problem+json with a stable `code`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { ...namedSchemas(), Problem: problemSchema },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The `access` token of a login.',
        },
        ...Object.fromEntries(
          routes.flatMap(({ ownChecks }) =>
            ownChecks?.security ? [[ownChecks.security.name, ownChecks.security.scheme]] : [],
          ),
        ),
      },
    },
  };
}

function operationOf(route: Route): Json {
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.tag],
    security: securityOf(route),
    parameters: parametersOf(route),
    ...requestBodyOf(route),
    responses: responsesOf(route),
  };
}

function securityOf({ access, ownChecks }: Route): Json[] {
  if (access !== 'anyone') return [{ bearer: [] }];
  if (!ownChecks?.security) return [];
  const { name, besideBearer = false } = ownChecks.security;
  return [...(besideBearer ? [{ bearer: [] }] : []), { [name]: [] }];
}

function requestBodyOf({ body, bodyOptional, example, ownChecks }: Route): Json {
  const content = (media: Json) => ({
    requestBody: { required: !bodyOptional, content: { 'application/json': media } },
  });
  if (body) {
    return content({
      schema: schemaOf(body, 'input'),
      ...(example !== undefined && { example: exampleOf(example) }),
    });
  }
  if (!ownChecks?.body) return {};
  const { description, example: own } = ownChecks.body;
  return content({ schema: { type: 'object', description }, example: own });
}

/** Examples with a date are functions, so that their date is in the future whenever the document is printed. */
function exampleOf(given: unknown): unknown {
  return typeof given === 'function' ? (given as () => unknown)() : given;
}

function operationId(route: Route): string {
  const words = route.path
    .replace(/[{}]/g, '')
    .split(/[/\-.]/)
    .filter((word) => word && word !== 'api');
  return [route.method.toLowerCase(), ...words].join('_');
}

function parametersOf(route: Route): Json[] {
  const list: Json[] = [];
  const add = (place: 'path' | 'query', schema: z.ZodType | undefined, given: unknown) => {
    if (!schema) return;
    const examples = (exampleOf(given) ?? {}) as Json;
    const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
      properties?: Json;
      required?: string[];
    };
    for (const [name, shape] of Object.entries(properties)) {
      list.push({
        name,
        in: place,
        required: place === 'path' || required.includes(name),
        schema: shape,
        ...(name in examples && { example: examples[name] }),
      });
    }
  };
  add('path', route.params, route.exampleParams);
  add('query', route.query, route.exampleQuery);
  if (route.idempotent) {
    const pattern = idempotencyKeyPattern.source;
    const schema = { type: 'string', minLength: 1, maxLength: idempotencyKeyCharsMax, pattern };
    list.push({ name: 'Idempotency-Key', in: 'header', required: false, schema });
  }
  if (route.ownChecks?.header) {
    list.push({ ...route.ownChecks.header, in: 'header', required: true, schema: { type: 'string' } });
  }
  return list;
}

function responsesOf(route: Route): Json {
  const responses: Json = {
    [route.status]: {
      description: 'Success',
      content: { 'application/json': { schema: schemaOf(route.response, 'output') } },
    },
  };
  const codes: ProblemCode[] = [
    ...route.problems,
    ...commonProblems,
    ...(route.body ? bodyProblems : []),
    ...(route.query ? (['invalid_request', 'uri_too_long'] as const) : []),
    ...(route.params ? (['not_found'] as const) : []),
    ...(route.access === 'anyone' ? [] : (['unauthenticated', 'invalid_token'] as const)),
    ...(route.access === 'staff' ? (['staff_only'] as const) : []),
    ...(route.idempotent
      ? (['invalid_idempotency_key', 'idempotency_key_reused', 'request_in_progress'] as const)
      : []),
    ...protocolProblems,
  ];
  for (const status of new Set(codes.map((code) => problems[code].status))) {
    const list = [...new Set(codes)].filter((code) => problems[code].status === status);
    responses[status] = {
      description: list.map((code) => `\`${code}\``).join(', '),
      content: {
        'application/problem+json': {
          schema: { $ref: '#/components/schemas/Problem' },
          example: exampleProblem(list[0] as ProblemCode),
        },
      },
    };
  }
  return responses;
}

function exampleProblem(code: ProblemCode): Json {
  return JSON.parse(problemDocument(new Problem(code), '6f1c2b1e-3c39-4e0a-9a4c-0d6a3a6f7f10')) as Json;
}

const printing = {
  target: 'draft-2020-12',
  unrepresentable: 'any',
  override: ({ jsonSchema }: { jsonSchema: Json }) => {
    // The format says it all; the pattern of a date has 200 characters.
    if (jsonSchema['format'] && jsonSchema['pattern']) delete jsonSchema['pattern'];
    if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) delete jsonSchema['maximum'];
    if (jsonSchema['minimum'] === Number.MIN_SAFE_INTEGER) delete jsonSchema['minimum'];
  },
} as const;

/** The JSON Schema of a zod schema; one with a name (`.meta({ id })`) becomes a reference. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const name = z.globalRegistry.get(schema)?.id;
  if (name) return { $ref: `#/components/schemas/${name}` };
  const printed = z.toJSONSchema(schema, { ...printing, io }) as Json;
  const {
    $schema: _,
    $defs: __,
    ...rest
  } = JSON.parse(JSON.stringify(printed).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
  return rest;
}

function namedSchemas(): Json {
  const { schemas } = z.toJSONSchema(z.globalRegistry, {
    ...printing,
    io: 'output',
    uri: (name: string) => `#/components/schemas/${name}`,
  } as never) as unknown as { schemas: Record<string, Json> };
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
}
