import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { problemOf } from '../db/errors.ts';
import { jsonBodyBytesMax } from '../domain/limits.ts';
import { type FieldError, Problem, type ProblemCode, type ProblemExtras } from '../domain/problems.ts';
import { causeOfGoneClient } from './client-gone.ts';

export const problemType = 'application/problem+json';

/** A refusal as the JSON of RFC 9457, with `error` for this API's older clients. */
export function problemDocument(problem: Problem, requestId: string): string {
  const { detail, errors, members } = problem.extras;
  return JSON.stringify({
    type: `/docs/problems#${problem.code}`,
    title: problem.title,
    status: problem.status,
    detail: detail ?? problem.title,
    code: problem.code,
    instance: `urn:uuid:${requestId}`,
    ...(errors && { errors }),
    ...members,
    error: problem.title,
  });
}

/** How the client shows who it is (RFC 6750, 3): the refusals that say so in a header. */
const challenges: Partial<Record<ProblemCode, string>> = {
  unauthenticated: 'Bearer',
  invalid_token: 'Bearer error="invalid_token"',
};

/** The headers of a refusal, in the document's form or as a page. */
export function problemHeaders({ code, extras }: Problem): Record<string, string> {
  const challenge = challenges[code];
  return {
    ...(challenge && { 'WWW-Authenticate': challenge }),
    ...(extras.retryAfterSeconds !== undefined && { 'Retry-After': String(extras.retryAfterSeconds) }),
    ...(extras.allowedMethods && { Allow: extras.allowedMethods.join(', ') }),
    ...(extras.endsConnection && { Connection: 'close' }),
  };
}

function renderProblem(ctx: Context, problem: Problem): void {
  ctx.status = problem.status;
  ctx.set(problemHeaders(problem));
  ctx.set('Cache-Control', 'no-store');
  ctx.body = problemDocument(problem, ctx.state['requestId'] ?? randomUUID());
  ctx.type = problemType;
}

/** The one place where errors end: refusals are rendered; any other error is logged once and becomes a bare 500. */
export function problemMiddleware(): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const gone = causeOfGoneClient(ctx, error);
      if (gone) {
        ctx.state['clientGone'] = gone;
        return renderProblem(ctx, new Problem('malformed_request'));
      }
      const problem = toProblem(error);
      if (problem) return renderProblem(ctx, problem);
      ctx.state['failure'] = error;
      renderProblem(
        ctx,
        new Problem('internal_error', { detail: 'The request id helps to find out what happened.' }),
      );
    }
  };
}

/** The refusal that an error means; undefined for a bug. */
export function toProblem(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  return problemOf(error) ?? httpProblem(error);
}

/** The errors of koa's own middleware, recognised by status, never by message. */
function httpProblem(error: unknown): Problem | undefined {
  const { status, expose } = error as { status?: unknown; expose?: unknown };
  if (expose !== true) return undefined;
  switch (status) {
    case 400:
      return new Problem('malformed_json');
    case 413:
      // Only the JSON parser throws it.
      return payloadTooLarge(jsonBodyBytesMax);
    case 415:
      return new Problem('unsupported_media_type');
    default:
      return undefined;
  }
}

/** The refusal of a body that is larger than its reader takes. */
export function payloadTooLarge(bytesMax: number, extras: ProblemExtras = {}): Problem {
  return new Problem('payload_too_large', {
    detail: `A body has at most ${bytesMax / 1024} KiB.`,
    ...extras,
  });
}

/** The refusal of input that zod rejected, field by field. */
export function inputProblem(error: z.ZodError): Problem {
  const errors: FieldError[] = error.issues.slice(0, 20).flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      return [{ field: issue.path.join('.') || 'body', message: issue.message }];
    }
    return issue.keys.slice(0, 20).map((key) => ({
      field: [...issue.path, key.slice(0, 100)].join('.'),
      message: 'Unknown field.',
    }));
  });
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join(' ');
  return new Problem('invalid_request', { detail: detail.slice(0, 1_000), errors });
}
