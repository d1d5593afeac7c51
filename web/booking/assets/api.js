/**
 * The answers of the API, typed by its own schemas (api/views.ts, api/routes/rooms.ts).
 * @typedef {import('zod').output<typeof import('../../../api/views.ts').roomView>} Room
 * @typedef {import('zod').output<typeof import('../../../api/views.ts').bookingItemView>} BookingItem
 * @typedef {import('zod').output<typeof import('../../../api/views.ts').bookingView>} Booking
 * @typedef {{ start_time: string, end_time: string, status: string, frees_at: string | null }} Slot
 * @typedef {{ field: string, message: string }} FieldError
 *
 * @typedef {{ body?: object, token?: string | null, key?: string }} RequestOptions
 * @typedef {(method: string, path: string, options?: RequestOptions) => Promise<any>} Call
 */

/** A refusal of the API (problem+json, RFC 9457). `message` is a sentence for people. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {{ code?: string, title?: string, detail?: string, errors?: FieldError[] }} problem
   * @param {number} retryAfterSeconds
   */
  constructor(status, problem, retryAfterSeconds) {
    super(problem.detail ?? problem.title ?? 'The service sent an unexpected answer.');
    this.status = status;
    this.code = problem.code ?? 'unknown';
    this.errors = problem.errors ?? [];
    this.retryAfterMs = retryAfterSeconds * 1_000;
  }
}

const unreachable = {
  code: 'unreachable',
  detail: 'The service cannot be reached. Check your connection and try again.',
};
const answerMsMax = 20_000;
const repeatsMax = 3;

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * One request to the API of this site. Resolves to its JSON.
 * @throws Refusal, also with status 0 when there is no answer
 * @type {Call}
 */
export async function request(method, path, { body, token, key } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      signal: AbortSignal.timeout(answerMsMax),
      headers: {
        ...(body && { 'Content-Type': 'application/json' }),
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(key && { 'Idempotency-Key': key }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Refusal(0, unreachable, 1);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refusal(response.status, answer, Number(response.headers.get('Retry-After') ?? 1));
}

/**
 * Repeats a call when there was no answer, or one that says "later". The call must be safe to repeat.
 * @template T
 * @param {() => Promise<T>} call
 */
export async function repeatSafely(call) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (refusal) {
      const later = [0, 502, 503, 504].includes(refusal.status) || refusal.code === 'request_in_progress';
      if (!later || attempt === repeatsMax) throw refusal;
      await wait(Math.min(refusal.retryAfterMs, 3_000));
    }
  }
}
