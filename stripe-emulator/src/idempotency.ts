import { createHash } from 'node:crypto';
import { invalidRequest, StripeFailure } from './errors.ts';
import { canonicalForm, type Form } from './form.ts';
import type { SavedAnswer, Table } from './tables.ts';

const keepMs = 24 * 3600 * 1000;

/**
 * https://docs.stripe.com/api/idempotent_requests: the first answer to a key is kept for a day, whatever it
 * was, once the execution of the endpoint has begun; the same request gets it again, even when the object
 * has changed since. Another request under the same key is refused, and so is one while the first runs.
 */
export function createIdempotency(answers: Table<SavedAnswer>) {
  const running = new Set<string>();

  /** The saved answer to replay, or nothing when the caller shall run; then it must call `end`. */
  function begin(key: string, path: string, form: Form): SavedAnswer | undefined {
    if (key.length > 255) {
      throw invalidRequest('The Idempotency-Key may have up to 255 characters.', {
        code: 'parameter_invalid',
      });
    }
    if (running.has(key)) {
      throw invalidRequest(
        'There is currently another in-progress request using this Idempotent Key (that probably means you ' +
          `submitted twice, and the other request is still going through): ${key}. Please try again later.`,
        { code: 'idempotency_key_in_use', status: 409 },
      );
    }
    const saved = answers.get(key);
    if (saved && Date.now() - saved.savedAtMs < keepMs) {
      checkSameRequest(saved, path, form);
      return saved;
    }
    running.add(key);
    return undefined;
  }

  return {
    begin,
    end: (key: string) => void running.delete(key),
    save: (answer: SavedAnswer) => answers.save(answer),
  };
}

export type Idempotency = ReturnType<typeof createIdempotency>;

export function fingerprintOfParams(form: Form): string {
  return createHash('sha256').update(canonicalForm(form)).digest('base64url');
}

function checkSameRequest(saved: SavedAnswer, path: string, form: Form): void {
  const advice = `Try using a key other than '${saved.id}' if you meant to execute a different request.`;
  if (saved.path !== path) {
    throw new StripeFailure(400, {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${path}' vs '${saved.path}'). ${advice}`,
    });
  }
  if (saved.fingerprint !== fingerprintOfParams(form)) {
    throw new StripeFailure(400, {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used with the same parameters they were first used with. ${advice}`,
    });
  }
}
