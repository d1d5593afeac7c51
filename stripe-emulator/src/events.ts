import { newId, nowSeconds } from './ids.ts';
import type { Tables } from './tables.ts';
import type { Cause, StripeEvent } from './types.ts';

/** The API version of the emulated account, which its events are written in. */
export const apiVersion = '2026-10-28.endive';

/** Everything that acts needs: the state, a way to tell the world, and where this emulator is reached. */
export interface World {
  tables: Tables;
  /** Records an event with the object as it is now and queues it for the webhook endpoint. */
  emit(type: string, object: { id: string; livemode?: boolean }, cause: Cause): StripeEvent;
  /** Base address of this emulator as a browser reaches it, for the pages that it serves. */
  url(): string;
}

export function createEmit(tables: Tables, deliver: (event: StripeEvent) => void): World['emit'] {
  return (type, object, cause) => {
    const event = buildEvent(type, object, cause);
    tables.events.save(event);
    deliver(event);
    return event;
  };
}

/** An event as the endpoint receives it: one webhook is pending, the one that carries it. */
export function buildEvent(type: string, object: object, cause: Cause): StripeEvent {
  return {
    id: newId('evt'),
    object: 'event',
    api_version: apiVersion,
    created: nowSeconds(),
    data: { object: structuredClone(object) },
    livemode: 'livemode' in object && object.livemode === true,
    pending_webhooks: 1,
    request: { id: cause.id, idempotency_key: cause.idempotency_key },
    type,
  };
}
