import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

/** One answer that a client got, or the lack of one (status 0). Instants are Unix milliseconds. */
export interface Answer {
  call: 'book' | 'intent' | 'cancel' | 'show';
  visit: number;
  key: string;
  status: number;
  /** The `code` of a problem; the error of the connection when there was no answer. */
  code: string;
  sentAt: number;
  answeredAt: number;
  bookingId?: number;
  slot?: Slot;
  /** The amount that an answer with 201 states: the booking's, or its PaymentIntent's. */
  amountMinor?: number;
  /** Of an answer that tells the client to come back later. */
  retryAfter?: string;
}

/** Sends a request as `fetch` does. */
export type Send = (
  url: string,
  request: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
) => Promise<Pick<Response, 'status' | 'headers' | 'json'>>;

export interface Slot {
  roomId: number;
  date: string;
  /** Minutes of the day. */
  start: number;
  end: number;
}

export interface Request {
  call: Answer['call'];
  method: string;
  path: string;
  body?: unknown;
  token: string;
  key?: string;
  visit: number;
  slot?: Slot;
}

/** How long a client waits for an answer. */
const patienceMs = 8_000;
const triesMax = 5;

/** Sends requests to any of the APIs, keeps every answer, and retries as a good client does: with the same key. */
export function createBrowser(apiUrls: readonly string[], send: Send = fetch) {
  const answers: Answer[] = [];

  async function ask(
    request: Request,
    url: string,
  ): Promise<{ answer: Answer; body: Record<string, unknown> }> {
    const { call, visit, key = '', slot } = request;
    const sentAt = Date.now();
    const note = (status: number, code: string, bookingId?: number): Answer => {
      const answer: Answer = { call, visit, key, status, code, sentAt, answeredAt: Date.now() };
      if (slot) answer.slot = slot;
      if (bookingId !== undefined) answer.bookingId = bookingId;
      answers.push(answer);
      return answer;
    };
    try {
      const response = await send(url + request.path, {
        method: request.method,
        headers: {
          Authorization: `Bearer ${request.token}`,
          ...(request.body !== undefined && { 'Content-Type': 'application/json' }),
          ...(key && { 'Idempotency-Key': key }),
        },
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
        signal: AbortSignal.timeout(patienceMs),
      });
      const body = (await response.json().catch(emptyUnlessJson)) as Record<string, unknown>;
      const code = typeof body['code'] === 'string' ? body['code'] : '';
      const id = call === 'book' && response.status === 201 ? Number(body['id']) : undefined;
      const answer = note(response.status, code, id);
      const retryAfter = response.headers.get('Retry-After');
      if (retryAfter !== null) answer.retryAfter = retryAfter;
      return { answer, body };
    } catch (error) {
      const cause = (error as Error).cause as { code?: string } | undefined;
      return { answer: note(0, cause?.code ?? (error as Error).name), body: {} };
    }
  }

  return {
    answers,
    /** Retries until there is a final answer, or the time limit is reached. */
    async insist(
      random: Random,
      request: Request,
    ): Promise<{ answer: Answer; body: Record<string, unknown> }> {
      for (let tries = 1; ; tries++) {
        const asked = await ask(request, random.pick(apiUrls));
        const { status, code } = asked.answer;
        const isFinal = status > 0 && status < 500 && code !== 'request_in_progress';
        if (isFinal || tries === triesMax) return asked;
        // With growing pauses: clients that retry too fast keep an overloaded service down.
        await sleep(random.between(300, 900) * 2 ** (tries - 1));
      }
    },
    once: (random: Random, request: Request) => ask(request, random.pick(apiUrls)),
  };
}

/** A proxy's own answer is not JSON, and neither is one that was cut off. */
function emptyUnlessJson(error: unknown): Record<string, unknown> {
  if (error instanceof SyntaxError) return {};
  throw error;
}

export type Browser = ReturnType<typeof createBrowser>;
