import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { problemOf } from '../../db/errors.ts';
import { type FieldError, Problem } from '../../domain/problems.ts';

/** Renders a refusal as `application/problem+json` (RFC 9457), with `error` for this API's older clients. */
function renderProblem(ctx: Context, problem: Problem): void {
  const { detail, errors, headers, members } = problem.extras;
  ctx.status = problem.status;
  ctx.set(headers ?? {});
  ctx.set('Cache-Control', 'no-store');
  ctx.body = JSON.stringify({
    type: `/docs/problems#${problem.code}`,
    title: problem.title,
    status: problem.status,
    detail: detail ?? problem.title,
    code: problem.code,
    instance: `urn:uuid:${ctx.state['requestId'] ?? randomUUID()}`,
    ...(errors && { errors }),
    ...members,
    error: problem.title,
  });
  ctx.type = 'application/problem+json';
}

/** The one place where errors end: refusals are told, everything else is logged once and becomes a bare 500. */
export function problemMiddleware(): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
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

/** The refusal that an error stands for; undefined for a bug. */
export function toProblem(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  return problemOf(error) ?? httpProblem(error);
}

/** The errors that koa's own middleware throws: told by status, never by message. */
function httpProblem(error: unknown): Problem | undefined {
  const { status, expose } = error as { status?: unknown; expose?: unknown };
  if (expose !== true) return undefined;
  switch (status) {
    case 400:
      return new Problem('malformed_json');
    case 413:
      return new Problem('payload_too_large');
    case 415:
      return new Problem('unsupported_media_type');
    default:
      return undefined;
  }
}

/** What zod found wrong, as fields and sentences. */
export function inputProblem(error: z.ZodError): Problem {
  const errors: FieldError[] = error.issues.slice(0, 20).flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      return [{ field: issue.path.join('.') || 'body', message: issue.message }];
    }
    return issue.keys.slice(0, 20).map((key) => ({
      field: [...issue.path, key.slice(0, 100)].join('.'),
      message: 'This field is not known.',
    }));
  });
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join(' ');
  return new Problem('invalid_request', { detail: detail.slice(0, 1_000), errors });
}
