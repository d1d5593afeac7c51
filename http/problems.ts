import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { problemOf } from '../db/errors.ts';
import { jsonBodyBytesMax } from '../domain/limits.ts';
import { type FieldError, Problem } from '../domain/problems.ts';
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

function renderProblem(ctx: Context, problem: Problem): void {
  ctx.status = problem.status;
  ctx.set(problem.extras.headers ?? {});
  ctx.set('Cache-Control', 'no-store');
  ctx.body = problemDocument(problem, ctx.state['requestId'] ?? randomUUID());
  ctx.type = problemType;
}

/** The one place where errors end: refusals are told, everything else is logged once and becomes a bare 500. */
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
      // The parser of JSON throws it, and nobody else.
      return payloadTooLarge(jsonBodyBytesMax);
    case 415:
      return new Problem('unsupported_media_type');
    default:
      return undefined;
  }
}

/** A body over the limit of whoever reads it. */
export function payloadTooLarge(bytesMax: number, headers: Record<string, string> = {}): Problem {
  return new Problem('payload_too_large', { detail: `A body has at most ${bytesMax / 1024} KiB.`, headers });
}

/** What zod found wrong, as fields and sentences. */
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
