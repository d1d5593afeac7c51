import type { Context } from 'koa';
import type { z } from 'zod';
import type { ProblemCode } from '../domain/problems.ts';
import type { Caller } from './auth/caller.ts';

/** Who may call: anyone, or a user or staff with an access token whose session is open. */
export type Access = 'anyone' | 'user' | 'staff';

export interface Call<A extends Access, P, Q, B> {
  caller: A extends 'anyone' ? undefined : Caller;
  params: P;
  query: Q;
  body: B;
  ctx: Context;
}

type Example<T> = T | (() => T);

/** Input that a handler reads and checks itself. It is only documented. */
export interface OwnChecks {
  /** The way in that stands for the caller's token, or beside it: its name, and OpenAPI's Security Scheme Object. */
  security?: { name: string; scheme: Record<string, unknown>; besideBearer?: boolean };
  header?: { name: string; description: string };
  body?: { description: string; example: Record<string, unknown> };
}

interface RouteSpec<
  A extends Access,
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  R extends z.ZodType,
> {
  method: 'GET' | 'POST';
  /** With its trailing slash and `{name}` for a parameter, as OpenAPI writes it. Served with and without the slash. */
  path: string;
  access: A;
  summary: string;
  tag: string;
  params?: P;
  query?: Q;
  body?: B;
  /** No body at all stands for `{}`. */
  bodyOptional?: boolean;
  /** The status of success, and the shape of its body: what is not in the shape cannot be served. */
  status: number;
  response: R;
  /** The answer is the same for everybody and holds no secret, so it may be compressed. */
  isPublic?: boolean;
  /** Its own refusals, besides those that every route has. */
  problems: readonly ProblemCode[];
  /** Answer 503 after this long, outcome unknown (default `requestMs`). */
  deadlineMs?: number;
  /** Examples for the documentation; together they work on the seeded data. Those with a date are computed. */
  example?: Example<z.input<B>>;
  exampleParams?: Partial<z.input<P>>;
  exampleQuery?: Example<Partial<z.input<Q>>>;
  /** Takes the `Idempotency-Key` header. */
  idempotent?: boolean;
  ownChecks?: OwnChecks;
}

/** A route of any types, for mount.ts and openapi.ts. */
export interface Route extends RouteSpec<Access, z.ZodType, z.ZodType, z.ZodType, z.ZodType> {
  handle(call: Call<Access, unknown, unknown, unknown>): Promise<unknown>;
}

/**
 * An endpoint as data: one description that is served (mount.ts), documented (openapi.ts) and tested. The handler
 * gets input that has been checked and returns the body of its one success; refusals are thrown Problems.
 */
export function route<
  A extends Access,
  R extends z.ZodType,
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>(spec: RouteSpec<A, P, Q, B, R>) {
  return (handle: (call: Call<A, z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.input<R>>) =>
    ({ ...spec, handle }) as unknown as Route;
}
