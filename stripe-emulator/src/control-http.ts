import { StripeFailure } from './errors.ts';
import type { StripeControl } from './control.ts';

/**
 * The control for other processes: `POST /_emulator/<method>` with a JSON array of arguments (or the one argument
 * itself) and the secret key as Bearer; the answer is `{"result": …}` or Stripe's shape of an error.
 */
export async function answerControl(
  control: StripeControl,
  method: string,
  body: string,
): Promise<{ status: number; body: string }> {
  const methods = { ...control } as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const call = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (!call) {
    return failure(404, `The control has no method "${method}".`);
  }
  try {
    const given: unknown = body === '' ? [] : JSON.parse(body);
    const result = await call(...(Array.isArray(given) ? (given as unknown[]) : [given]));
    return { status: 200, body: JSON.stringify({ result: result ?? null }) };
  } catch (error) {
    const status = error instanceof StripeFailure ? error.status : 400;
    return failure(status, error instanceof Error ? error.message : String(error));
  }
}

function failure(status: number, message: string): { status: number; body: string } {
  return { status, body: JSON.stringify({ error: { type: 'invalid_request_error', message } }) };
}

/** The control of an emulator in another process. `url` is its base address. */
export function connectStripeControl(url: string, secretKey: string): StripeControl {
  async function call(method: string, args: unknown[]): Promise<unknown> {
    const response = await fetch(new URL(`/_emulator/${method}`, url), {
      method: 'POST',
      headers: { authorization: `Bearer ${secretKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (answer.error) throw new Error(answer.error.message);
    return answer.result;
  }
  return new Proxy({} as StripeControl, {
    // `then` must stay undefined, or awaiting the control itself would call it.
    get: (_target, method) =>
      typeof method === 'string' && method !== 'then'
        ? (...args: unknown[]) => call(method, args)
        : undefined,
  });
}
