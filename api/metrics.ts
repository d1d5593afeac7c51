import type { Middleware } from 'koa';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import {
  type Count,
  countOpenFlags,
  countOpenRefunds,
  countOverdueHolds,
  createMoveReader,
} from '../db/figures.ts';
import type { Db } from '../db/knex.ts';
import { outboxDepth } from '../db/outbox.ts';
import { requireToken } from '../http/bearer-token.ts';
import { isPath, refuseWrites } from '../http/read-only-path.ts';
import { singleFlight } from '../http/single-flight.ts';
import type { Relay } from './relay/relay.ts';

/** The process's own log. */
export interface LogLines {
  /** Lines that could not be written, since the start. */
  dropped(): number;
}

interface Sources {
  db: Db;
  relay: Relay;
  traffic: { inFlight: number };
  logLines: LogLines;
}

/** The metrics by name, in a registry of their own, so that two APIs in one process do not share them. */
function defineMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Histogram({
    name: 'http_request_seconds',
    help: 'Time to answer, by route, method and status',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 12],
    registers,
  });
  const webhooks = new Counter({
    name: 'stripe_events_total',
    help: 'Webhook deliveries, by type and verdict',
    labelNames: ['type', 'outcome'],
    registers,
  });
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers });

  return {
    registry,
    requests,
    webhooks,
    moves: gauge('booking_moves', 'Moves of bookings since this process began to look, by status and cause', [
      'to',
      'cause',
    ]),
    waiting: gauge('outbox_messages_waiting', 'Messages that wait for Temporal (counted to 10,000)'),
    dead: gauge('outbox_messages_dead', 'Messages that were set aside'),
    unknown: gauge(
      'outbox_messages_unknown',
      'Messages of a topic that this build does not know: they wait for a newer one',
    ),
    age: gauge(
      'outbox_oldest_seconds',
      'Age of the oldest message that Temporal has not taken, those refused for their own fault not counted',
    ),
    flags: gauge('flags_open', 'What waits for a person, by kind', ['kind']),
    refunds: gauge('refunds_open', 'Refunds that Stripe has not completed, by status', ['status']),
    overdue: gauge(
      'holds_overdue',
      'Holds more than 15 s past their deadline, those kept for a payment under way not counted',
    ),
    pool: gauge('database_connections', 'Connections of the pool, by state', ['state']),
    inFlight: gauge('http_requests_in_flight', 'Requests being answered'),
    delivered: gauge('relay_messages_delivered', 'Messages that this process has carried to Temporal'),
    outages: gauge('relay_outages', 'Attempts that Temporal did not take'),
    droppedLines: new Counter({
      name: 'log_lines_dropped_total',
      help: 'Lines of the log that could not be written: a full disk, a reader that has gone or stalls',
      registers,
    }),
    clientsGone: new Counter({
      name: 'http_clients_gone_total',
      help: 'Connections that their client ended or reset before it had its answer',
      labelNames: ['cause'],
      registers,
    }),
  };
}

/** If a hold is overdue for longer than this, neither its workflow nor the sweeper works. */
const overdueMs = 15_000;

/**
 * The metrics that Prometheus reads at `/metrics`. Labels are routes, statuses and kinds, never ids or personal data.
 * Those read from the database (`outbox_*`, `flags_open`, `refunds_open`, `holds_overdue`) are the same in every process:
 * use their maximum, not their sum. `booking_moves` rises alike in every process, each counting from its first scrape.
 */
export function createMetrics({ db, relay, traffic, logLines }: Sources) {
  const { registry, requests, webhooks, clientsGone, droppedLines, ...gauges } = defineMetrics();
  let droppedBefore = 0;
  const gone = new WeakSet<object>();
  const readMoves = createMoveReader(db);

  async function collect(): Promise<void> {
    const { waiting, dead, unknown, oldestMs } = await outboxDepth(db);
    gauges.waiting.set(waiting);
    gauges.dead.set(dead);
    gauges.unknown.set(unknown);
    gauges.age.set(oldestMs / 1000);
    for (const move of await readMoves()) gauges.moves.inc({ to: move.to, cause: move.cause }, move.count);
    setCounts(gauges.flags, 'kind', await countOpenFlags(db));
    setCounts(gauges.refunds, 'status', await countOpenRefunds(db));
    gauges.overdue.set(await countOverdueHolds(db, overdueMs));
  }

  const collectFromDatabase = singleFlight(collect);

  function collectFromProcess(): void {
    const { pool: connections } = db.client as {
      pool: { numUsed(): number; numFree(): number; numPendingAcquires(): number };
    };
    gauges.pool.set({ state: 'used' }, connections.numUsed());
    gauges.pool.set({ state: 'free' }, connections.numFree());
    gauges.pool.set({ state: 'wanted' }, connections.numPendingAcquires());
    gauges.inFlight.set(traffic.inFlight);
    gauges.delivered.set(relay.stats.delivered);
    gauges.outages.set(relay.stats.outages);
    const dropped = logLines.dropped();
    droppedLines.inc(dropped - droppedBefore);
    droppedBefore = dropped;
  }

  return {
    requests,
    webhooks,
    /** Counts a connection that its client has given up, once, however many of its requests notice. */
    countGone: (socket: object, cause: string): void => {
      if (gone.has(socket)) return;
      gone.add(socket);
      clientsGone.inc({ cause });
    },
    /** The metrics as text; without those of the database while it is not responding. */
    async print(): Promise<string> {
      collectFromProcess();
      await collectFromDatabase().catch(() => {});
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

function setCounts(gauge: Gauge, label: string, counts: Count[]): void {
  gauge.reset();
  for (const { name, count } of counts) gauge.set({ [label]: name }, count);
}

/** Serves `/metrics`; if a token is set, to its bearer only. */
export function serveMetrics(metrics: Metrics, token: string | undefined): Middleware {
  return async (ctx, next) => {
    if (!isPath(ctx, '/metrics')) return next();
    ctx.state['route'] = '/metrics';
    requireToken(ctx, token, 'METRICS_TOKEN');
    refuseWrites(ctx);
    ctx.type = metrics.contentType;
    ctx.body = await metrics.print();
  };
}
