import { z } from 'zod';
import { completeStays } from '../../db/bookings.ts';
import { findOverdueHolds } from '../../db/overdue-holds.ts';
import { isStripeChangeOpen } from '../../db/deployment.ts';
import { outboxDepth } from '../../db/outbox.ts';
import { createWriteProbe } from '../../db/readiness.ts';
import { settleHolds } from '../../core/bookings/settle-holds.ts';
import { clocksAgree } from '../../db/clocks.ts';
import { cleanupBatchMax, outboxLaggingMs } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import type { Deps } from '../deps.ts';
import { requireToken } from '../../http/bearer-token.ts';
import { route, type Route } from '../../http/route.ts';
import { singleFlight } from '../../http/single-flight.ts';

const health = z.enum(['ok', 'degraded']);

/** How long the cleanup call waits for Stripe in all; what is not done then is done by the next call. */
const cleanupMs = 2_000;

const cleanupToken = {
  name: 'cleanupToken',
  scheme: { type: 'http', scheme: 'bearer', description: 'The setting `CLEANUP_TOKEN`.' },
};

export function operationRoutes(deps: Deps): Route[] {
  const isWritable = createWriteProbe(deps.db);
  const readHealth = singleFlight(() =>
    Promise.all([askDatabase(deps, isWritable), askEngine(deps), isStripeChangeOpen(deps.db)]),
  );
  const livez = route({
    method: 'GET',
    path: '/livez',
    access: 'anyone',
    tag: 'Operations',
    summary: 'Is the process alive? Asks nothing else',
    status: 200,
    response: z.strictObject({ status: z.literal('ok') }),
    problems: [],
  })(async () => ({ status: 'ok' as const }));

  const readyz = route({
    method: 'GET',
    path: '/readyz',
    access: 'anyone',
    tag: 'Operations',
    summary:
      'Can it serve? Postgres must answer and take writes; without Temporal or a worker it is degraded',
    status: 200,
    response: z.strictObject({
      status: health,
      postgres: z.literal('ok'),
      temporal: health,
      worker: health,
      settings: health.meta({
        description: 'Degraded while the Stripe key is of another account or mode than the open bookings.',
      }),
      outbox: z.strictObject({ waiting: z.number(), dead: z.number(), oldest_seconds: z.number() }),
    }),
    problems: ['database_unavailable'],
  })(async () => {
    if (deps.traffic.stopping) throw new Problem('overloaded', { detail: 'This process is stopping.' });
    const [outbox, engine, isStripeChanged] = await readHealth();
    const lagging = outbox.oldestMs > outboxLaggingMs;
    return {
      status:
        engine.worker === 'ok' && !lagging && !isStripeChanged ? ('ok' as const) : ('degraded' as const),
      postgres: 'ok' as const,
      ...engine,
      settings: isStripeChanged ? ('degraded' as const) : ('ok' as const),
      outbox: {
        waiting: outbox.waiting,
        dead: outbox.dead,
        oldest_seconds: Math.round(outbox.oldestMs / 1000),
      },
    };
  });

  const cleanup = route({
    method: 'POST',
    path: '/api/cleanup-expired-bookings/',
    access: 'anyone',
    tag: 'Operations',
    summary: 'Settle the holds that are overdue; safe at any time',
    status: 200,
    response: z.strictObject({
      expired: z.number().int(),
      confirmed: z.number().int(),
      completed: z.number().int(),
      left: z
        .number()
        .int()
        .meta({ description: 'Overdue holds that still wait for Stripe or for another caller.' }),
    }),
    problems: ['unauthenticated'],
    ownChecks: deps.config.cleanupToken === undefined ? {} : { security: cleanupToken },
  })(async ({ ctx }) => {
    requireToken(ctx, deps.config.cleanupToken, 'CLEANUP_TOKEN');
    if (!(await clocksAgree(deps.db))) return { expired: 0, confirmed: 0, completed: 0, left: 0 };
    const overdue = await findOverdueHolds(deps.db, 0, cleanupBatchMax);
    const settled = await settleHolds(deps, overdue, { actor: 'cleanup', totalMs: cleanupMs });
    const completed = await completeStays(deps.db, { actor: 'cleanup', limit: cleanupBatchMax });
    const number = (status: string) => settled.filter((one) => one === status).length;
    return { expired: number('expired'), confirmed: number('confirmed'), completed, left: number('pending') };
  });

  return [livez, readyz, cleanup];
}

/** Postgres must answer and take writes; whatever keeps it from that, this process cannot serve. */
async function askDatabase({ db, log }: Deps, isWritable: () => Promise<unknown>) {
  try {
    const [depth] = await Promise.all([outboxDepth(db), isWritable()]);
    return depth;
  } catch (error) {
    log.warn({ err: error }, 'not ready: Postgres takes no writes, or does not answer');
    throw new Problem('database_unavailable', { retryAfterSeconds: 1 });
  }
}

/** Temporal and its worker: without them bookings are taken all the same, and carried out later. */
async function askEngine({ workflows }: Deps) {
  const degraded = { temporal: 'degraded', worker: 'degraded' } as const;
  return workflows.hasWorker().then(
    (worker) => ({ temporal: 'ok', worker: worker ? 'ok' : 'degraded' }) as const,
    () => degraded,
  );
}
