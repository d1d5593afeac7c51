import type { World } from './events.ts';
import type { Form } from './form.ts';
import type { Cause } from './types.ts';

/**
 * An endpoint in two halves: `prepare` validates, and what it throws is not saved under an Idempotency-Key;
 * what it returns executes, at one go and without waiting for anything.
 */
export interface Route {
  method: 'GET' | 'POST';
  pattern: RegExp;
  /** A browser may call it with the publishable key and the client secret of the PaymentIntent. */
  isPublishable?: true;
  prepare(form: Form, version: string): (world: World, cause: Cause, id: string) => object;
}
