import { resourceMissing } from './errors.ts';
import { listShape, pageOf } from './lists.ts';
import { flag, listOf, readParams, text } from './params.ts';
import type { Route } from './route.ts';

export const eventRoutes: readonly Route[] = [
  {
    method: 'GET',
    pattern: /^\/v1\/events$/,
    prepare(form) {
      const params = readParams(form, {
        ...listShape,
        delivery_success: flag,
        type: text(),
        types: listOf(text()),
      });
      return (world) => {
        const pending = new Map<string, number>();
        for (const { eventId } of world.tables.deliveries.list()) {
          pending.set(eventId, (pending.get(eventId) ?? 0) + 1);
        }
        const page = pageOf(
          world.tables.events.list(),
          params,
          '/v1/events',
          'event',
          (event) =>
            (params.type == null || matchesType(event.type, params.type)) &&
            (params.types === undefined || params.types.includes(event.type)) &&
            (params.delivery_success === undefined || params.delivery_success === !pending.has(event.id)),
        );
        const data = page.data.map((event) => ({ ...event, pending_webhooks: pending.get(event.id) ?? 0 }));
        return { ...page, data };
      };
    },
  },
  {
    method: 'GET',
    pattern: /^\/v1\/events\/([^/]+)$/,
    prepare(form) {
      readParams(form, { expand: listOf(text()) });
      return (world, _cause, id) => {
        const event = world.tables.events.get(id);
        if (!event) throw resourceMissing('event', id, 'id');
        const pending = world.tables.deliveries.list().filter((delivery) => delivery.eventId === id);
        return { ...event, pending_webhooks: pending.length };
      };
    },
  },
];

/** `charge.*` stands for every event of a charge. */
function matchesType(type: string, wanted: string): boolean {
  return wanted.endsWith('*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
}
