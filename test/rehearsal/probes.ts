import { setTimeout as sleep } from 'node:timers/promises';

/** One answer of `/readyz`. Instants are Unix milliseconds. */
export interface Readiness {
  at: number;
  /** 0: no answer within three seconds, which is what the service promises. */
  status: number;
  /** `ok` or `degraded`; empty when there was no such answer. */
  state: string;
}

const everyMs = 500;
const answerMsMax = 3_000;

/** Asks an API for its readiness, as a balancer does. */
async function askReadiness(apiUrl: string): Promise<Readiness> {
  const at = Date.now();
  try {
    const response = await fetch(`${apiUrl}/readyz`, { signal: AbortSignal.timeout(answerMsMax) });
    const body = (await response.json()) as { status?: unknown };
    return { at, status: response.status, state: typeof body.status === 'string' ? body.status : '' };
  } catch {
    return { at, status: 0, state: '' };
  }
}

/** Waits until an API is ready to be sent requests. @throws when it is not within a minute */
export async function untilReady(apiUrl: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) {
    if ((await askReadiness(apiUrl)).status === 200) return;
  }
  throw new Error(`${apiUrl} was not ready within a minute`);
}

/** Goes on asking every API for its readiness. @returns a function that ends it and tells all answers */
export function watchReadiness(apiUrls: readonly string[]): () => Promise<Readiness[]> {
  const answers: Readiness[] = [];
  let watching = true;
  const watched = apiUrls.map(async (apiUrl) => {
    for (; watching; await sleep(everyMs)) answers.push(await askReadiness(apiUrl));
  });
  return async () => {
    watching = false;
    await Promise.all(watched);
    return answers;
  };
}
