import { randomUUID } from 'node:crypto';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import { type DestinationStream, pino } from 'pino';
import { startStripe } from 'stripe-emulator';
import { inject } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { createStripe } from '../../core/stripe/client.ts';
import { startServer } from '../../api/server.ts';
import { type Config, loadConfig } from '../../config.ts';
import { connectDatabase, type Db, rows } from '../../db/knex.ts';
import { logOptions } from '../../log.ts';
import { createWorker } from '../../worker/worker.ts';
import { createTestDatabase } from './database.ts';

export { until } from '../../dev/until.ts';

export interface Answer {
  status: number;
  headers: Headers;
  /** Of any shape: each test looks at what it expects. */
  body: ReturnType<typeof JSON.parse>;
}

export interface CallOptions {
  token?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface TestUser {
  id: number;
  email: string;
  token: string;
}

export interface SystemOptions {
  /** Settings that differ from the tests' own. */
  settings?: Record<string, string>;
  /** Reach Postgres by this `host:port`, a proxy's, instead of its own. */
  databaseAddress?: string;
  /** Start a worker too (default true). */
  worker?: boolean;
  /** Where the log goes (default: nowhere). */
  logTo?: DestinationStream;
}

/** A hash that no password has: most tests sign tokens themselves and need no slow login. */
const unusableHash = '$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5$bm9ib2R5';

/**
 * The whole service for one test file, of real parts: a database of its own, the run's Temporal with a task queue
 * of its own, a Stripe emulator, the API listening on a free port, and a worker.
 */
export async function startSystem(options: SystemOptions = {}) {
  const database = await createTestDatabase();
  const stripe = await startStripe();
  const temporal = inject('temporal');
  const config = loadConfig({
    PORT: '0',
    DEBUG: 'true',
    LOG_LEVEL: options.logTo ? 'info' : 'silent',
    DATABASE_URL: addressed(database.url, options.databaseAddress),
    DATABASE_POOL: '10',
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    TEMPORAL_TASK_QUEUE: `test-${randomUUID()}`,
    LIMIT_OPEN_HOLDS: '0',
    LIMIT_REPEATED_HOLDS: '0',
    LIMIT_REQUESTS: '0',
    ...stripe.settings,
    ...options.settings,
  });
  const log = pino(
    { ...logOptions('api'), level: config.logLevel },
    options.logTo ?? pino.destination({ dest: '/dev/null' }),
  );
  const server = await startServer(config, log);
  const url = `http://127.0.0.1:${server.port}`;
  await stripe.control.setWebhookUrl(`${url}/api/stripe-webhook/`);
  const { db } = server.deps;
  const worker = options.worker === false ? undefined : await startWorker(config);

  async function call(
    method: string,
    path: string,
    { token, body, headers }: CallOptions = {},
  ): Promise<Answer> {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(token && { Authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : parse(text),
    };
  }

  return {
    url,
    config,
    db,
    database,
    stripe,
    server,
    call,
    /** Starts a worker, for tests that begin without one. */
    startWorker: () => startWorker(config),
    newUser: (user: { isStaff?: boolean } = {}) =>
      insertUser(db, (caller) => server.deps.accessTokens.sign(caller), user),
    newRoom: (room: Partial<RoomColumns> = {}) => insertRoom(db, room),
    async stop(): Promise<void> {
      await worker?.stop();
      await server.stop();
      await stripe.stop();
      await database.drop();
    },
  };
}

export type System = Awaited<ReturnType<typeof startSystem>>;

function addressed(databaseUrl: string, address: string | undefined): string {
  const url = new URL(databaseUrl);
  if (address) url.host = address;
  return url.href;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

Runtime.install({ logger: new DefaultLogger('ERROR') });

/** A worker on the config's task queue, in this process. */
export async function startWorker(config: Config) {
  const connection = await NativeConnection.connect({ address: config.temporal.address });
  const db = connectDatabase(config.database.url, { poolMax: 10, applicationName: 'test-worker' });
  const log = pino({ level: 'silent' });
  const stripe = createStripe(config.stripe);
  const worker: Worker = await createWorker({
    connection,
    namespace: config.temporal.namespace,
    taskQueue: config.temporal.taskQueue,
    activities: createActivities({ db, stripe, log, freeCancelHours: config.freeCancelHours }),
    workflowBundle: inject('workflowBundle'),
  });
  const running = worker.run();
  return {
    async stop(): Promise<void> {
      worker.shutdown();
      await running;
      await connection.close();
      await db.destroy();
    },
  };
}

async function insertUser(
  db: Db,
  sign: (caller: { userId: number; sessionId: string }) => string,
  { isStaff = false }: { isStaff?: boolean },
): Promise<TestUser> {
  const email = `${randomUUID()}@example.com`;
  const [user] = await rows<{ id: number }>(
    db,
    'insert into users (email, password_hash, is_staff, is_superuser) values (?, ?, ?, ?) returning id',
    [email, unusableHash, isStaff, isStaff],
  );
  const id = user?.id ?? 0;
  const sessionId = randomUUID();
  await rows(db, `insert into sessions (id, user_id, expires_at) values (?, ?, now() + interval '30 days')`, [
    sessionId,
    id,
  ]);
  return { id, email, token: sign({ userId: id, sessionId }) };
}

interface RoomColumns {
  name: string;
  price_minor: number;
  currency: string;
  capacity: number;
  is_available: boolean;
  slot_duration_minutes: number;
  opening_time: string;
  closing_time: string;
  time_zone: string;
}

/** A room that is open around the clock in UTC at 20.00 usd per half hour, unless told otherwise. */
async function insertRoom(db: Db, room: Partial<RoomColumns>): Promise<number> {
  const row: RoomColumns = {
    name: `Room ${randomUUID()}`,
    price_minor: 2_000,
    currency: 'usd',
    capacity: 10,
    is_available: true,
    slot_duration_minutes: 30,
    opening_time: '00:00',
    closing_time: '24:00',
    time_zone: 'UTC',
    ...room,
  };
  const [made] = await db('rooms').insert(row).returning('id');
  return made.id;
}

/** The date so many days from now, `YYYY-MM-DD` in UTC. */
export function dayAhead(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}
