import type { Deps } from './deps.ts';
import type { Route } from '../http/route.ts';
import { authRoutes } from './routes/auth.ts';
import { bookingRoutes } from './routes/bookings.ts';
import { operationRoutes } from './routes/operations.ts';
import { paymentRoutes } from './routes/payments.ts';
import { roomRoutes } from './routes/rooms.ts';
import { webhookRoutes } from './routes/stripe-webhook.ts';

/**
 * Every endpoint of the JSON API: it is served, validated and documented from this list. The pages, the panel, `/metrics`
 * and `/openapi.json` are in `app.ts`.
 */
export function listRoutes(deps: Deps): Route[] {
  return [
    ...authRoutes(deps),
    ...roomRoutes(deps),
    ...bookingRoutes(deps),
    ...paymentRoutes(deps),
    ...webhookRoutes(deps),
    ...operationRoutes(deps),
  ];
}
