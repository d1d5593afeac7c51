import { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { createStripe } from '../../core/stripe/client.ts';
import { connectDatabase, type Db } from '../../db/knex.ts';
import { createWorker } from '../../worker/worker.ts';
import { asOwner, bookingBody, cookieOf } from '../factories.ts';
import { createCanaries, readHistories } from '../security/canaries.ts';
import { type Answer, type CallOptions, dayAhead, startSystem, type System, until } from '../setup/system.ts';

const canaries = createCanaries();
let log = '';
const logTo = { write: (line: string) => void (log += line) };
const refusals: string[] = [];

let system: System;
let stopWorker: (() => Promise<void>) | undefined;
let access = '';
let bookingId = 0;

beforeAll(async () => {
  system = await startSystem({
    worker: false,
    logTo,
    settings: {
      SECRET_KEY: canaries.in('SECRET_KEY'),
      CLEANUP_TOKEN: canaries.in('CLEANUP_TOKEN'),
      METRICS_TOKEN: canaries.in('METRICS_TOKEN'),
      LIMIT_LOGIN_FAILURES: '0',
    },
  });
  canaries.known('STRIPE_SECRET_KEY', system.config.stripe.secretKey);
  canaries.known('STRIPE_WEBHOOK_SECRET', system.config.stripe.webhookSecrets[0] ?? '');
  stopWorker = await startLoggingWorker();
});
afterAll(async () => {
  await stopWorker?.();
  await system.stop();
});

/** The worker as worker/main.ts makes it, its log beside that of the API. */
async function startLoggingWorker(): Promise<() => Promise<void>> {
  const { config } = system;
  const connection = await NativeConnection.connect({ address: config.temporal.address });
  const db: Db = connectDatabase(config.database.url, { poolMax: 5, applicationName: 'canary-worker' });
  const workerLog = pino({ level: 'info' }, logTo);
  const { freeCancelHours } = config;
  const worker = await createWorker({
    connection,
    namespace: config.temporal.namespace,
    taskQueue: config.temporal.taskQueue,
    activities: createActivities({
      db,
      stripe: createStripe(config.stripe),
      log: workerLog,
      freeCancelHours,
    }),
    workflowBundle: inject('workflowBundle'),
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
    await connection.close();
    await db.destroy();
  };
}

/** Headers that any client, proxy or browser may send, each with a secret. */
const strayHeaders = (place: string) => ({
  'User-Agent': canaries.in(`${place} User-Agent`),
  Referer: `https://example.com/?token=${canaries.in(`${place} Referer`)}`,
  'X-Api-Key': canaries.in(`${place} X-Api-Key`),
  'X-Request-Id': `${canaries.in(`${place} X-Request-Id`)}!`,
  'X-Forwarded-For': canaries.in(`${place} X-Forwarded-For`),
});

async function send(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const headers = { ...strayHeaders(`${method} ${path}`), ...options.headers };
  const answer = await system.call(method, path, { ...options, headers });
  if (answer.status >= 400) refusals.push(JSON.stringify(answer.body));
  return answer;
}

const email = `${canaries.in('e-mail')}@example.com`;
const password = canaries.in('password');

describe('what was told in confidence', () => {
  test('OP-01 TM-04 a whole life of a booking is told with a secret in every field and header', async () => {
    expect(
      (await send('POST', '/api/register/', { body: { email, password, confirm_password: password } }))
        .status,
    ).toBe(201);
    const login = await send('POST', '/api/login/', { body: { email, password } });
    access = canaries.known('access token', login.body.access);
    const cookie = cookieOf(login);
    canaries.known('refresh token', cookie?.value ?? '');
    const refreshed = await send('POST', '/api/token/refresh-cookie/', {
      headers: { Cookie: `${cookie?.pair}; other=${canaries.in('another cookie')}` },
    });
    canaries.known('second refresh token', cookieOf(refreshed)?.value ?? '');
    const body = bookingBody(await system.newRoom(), { special_requests: canaries.in('special_requests') });
    const made = await send('POST', '/api/bookings/', {
      token: access,
      body,
      headers: { 'Idempotency-Key': canaries.in('Idempotency-Key') },
    });
    expect(made.status).toBe(201);
    bookingId = made.body.id;
    const intent = await send('POST', '/api/payment-intent/', {
      token: access,
      body: { booking_id: bookingId },
    });
    canaries.known('client secret', intent.body.client_secret);
    await system.stripe.control.pay(intent.body.payment_intent_id);
    await until('the confirmation', async () => {
      const { body: shown } = await send('GET', `/api/bookings/${bookingId}/`, { token: access });
      return shown.status === 'confirmed';
    });
    expect((await send('POST', `/api/bookings/${bookingId}/cancel/`, { token: access })).status).toBe(200);
    expect((await send('POST', '/api/logout/', { token: access })).status).toBe(200);
  }, 60_000);

  test('OP-01 everything is refused once, with a secret in every field', async () => {
    const secret = (place: string) => canaries.in(`refused ${place}`);
    const tries: [string, string, CallOptions][] = [
      [
        'POST',
        '/api/register/',
        { body: { email: secret('e-mail'), password: secret('p'), confirm_password: 'x' } },
      ],
      ['POST', '/api/register/', { body: { email, password, confirm_password: password } }],
      ['POST', '/api/login/', { body: { email, password: secret('password') } }],
      ['POST', '/api/login/', { body: { email: `${secret('stranger')}@example.com`, password } }],
      ['POST', '/api/login/', { body: { email, password, otp: secret('unknown field') } }],
      ['POST', '/api/login/', { body: `{"email":"${secret('cut off')}` }],
      ['GET', '/api/bookings/', { token: secret('token') }],
      ['GET', '/api/bookings/', { headers: { Authorization: `Basic ${secret('basic')}` } }],
      ['GET', '/api/bookings/', { token: `${access.slice(0, -3)}abc` }],
      [
        'POST',
        '/api/token/refresh-cookie/',
        { headers: { Cookie: `refresh_token=${secret('refresh token')}` } },
      ],
      ['POST', '/api/bookings/', { token: access, body: bookingBody(0, { start_time: secret('time') }) }],
      [
        'POST',
        '/api/bookings/',
        { token: access, body: bookingBody(999_999, { special_requests: secret('requests') }) },
      ],
      [
        'POST',
        '/api/bookings/',
        { token: access, body: bookingBody(1), headers: { 'Idempotency-Key': `${secret('key')} ä` } },
      ],
      [
        'POST',
        '/api/payment-intent/',
        { token: access, body: { booking_id: 1, currency: secret('currency') } },
      ],
      ['GET', `/api/bookings/${secret('path')}/`, { token: access }],
      ['GET', `/api/bookings/?cursor=${secret('cursor')}`, { token: access }],
      ['GET', `/api/bookings/?status=${secret('status')}`, { token: access }],
      ['GET', `/${secret('address')}`, {}],
      [
        'POST',
        '/api/stripe-webhook/',
        {
          body: { id: secret('event') },
          headers: { 'Stripe-Signature': `t=${Math.floor(Date.now() / 1000)},v1=${secret('signature')}` },
        },
      ],
      ['POST', '/api/cleanup-expired-bookings/', { token: secret('cleanup') }],
      ['GET', '/metrics', { token: secret('metrics') }],
      ['GET', '/admin', { headers: { Cookie: `panel=${secret('panel cookie')}` } }],
    ];
    for (const [method, path, options] of tries) {
      const { status } = await send(method, path, options);
      expect([path, status]).toEqual([path, expect.toSatisfy((code) => code >= 400 && code < 500)]);
    }
  });

  test('OP-01 a failing database tells nothing of what it was asked', async () => {
    const fresh = await system.newUser();
    canaries.known('another e-mail', fresh.email);
    const login = { email: `${canaries.in('failing login')}@example.com`, password };
    const account = {
      email: `${canaries.in('failing account')}@example.com`,
      password,
      confirm_password: password,
    };
    const body = bookingBody(await system.newRoom(), {
      special_requests: canaries.in('failing requests'),
      booking_date: dayAhead(9),
    });
    const broken = async (how: string, mend: string, work: () => Promise<Answer>) => {
      await asOwner(system, (owner) => owner.query(how));
      try {
        const answer = await work();
        expect([how, answer.status]).toEqual([how, 500]);
      } finally {
        await asOwner(system, (owner) => owner.query(mend));
      }
    };
    // A statement that cannot be planned any more, a constraint that nobody foresaw, a row that does not fit.
    await broken('alter table users rename email to mail', 'alter table users rename mail to email', () =>
      send('POST', '/api/login/', { body: login }),
    );
    await broken(
      `alter table users add constraint odd check (email !~ 'canary') not valid`,
      'alter table users drop constraint odd',
      () => send('POST', '/api/register/', { body: account }),
    );
    await broken(
      'alter table bookings add constraint odd check (special_requests is null) not valid',
      'alter table bookings drop constraint odd',
      () => send('POST', '/api/bookings/', { token: fresh.token, body }),
    );
  });

  test('OP-01 OP-10 no secret is in a log line, a refusal, a metric or a workflow’s history', async () => {
    const { token } = { token: system.config.metricsToken ?? '' };
    const metrics = await system.call('GET', '/metrics', { token });
    expect(metrics.body).toContain('http_request_seconds');
    // Temporal's list of workflows is a moment behind.
    const histories = await until('the histories', async () => {
      const read = await readHistories(system.config);
      return read.workflows >= 2 && read;
    });
    expect(log.split('\n').length).toBeGreaterThan(40);
    expect(log).toContain('request failed');
    expect(canaries.count()).toBeGreaterThan(150);
    expect({
      log: canaries.seenIn(log),
      refusals: canaries.seenIn(refusals.join('\n')),
      metrics: canaries.seenIn(metrics.body),
      histories: canaries.seenIn(histories.text),
    }).toEqual({ log: [], refusals: [], metrics: [], histories: [] });
    for (const text of [log, histories.text, metrics.body as string]) {
      expect(text).not.toMatch(/[\w.+-]+@example\.com/);
    }
  });

  test('OP-01 every log line is JSON with the time in UTC, a request with its id and its user, none with a line break of another’s', async () => {
    const lines = log
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const line of lines)
      expect(line).toMatchObject({
        level: expect.stringMatching(/^[a-z]+$/),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      });
    const requests = lines.filter(({ msg }) => msg === 'request');
    for (const line of requests)
      expect(line).toMatchObject({ requestId: expect.stringMatching(/^[\w-]{8,64}$/) });
    expect(requests.some(({ userId }) => Number(userId) > 0)).toBe(true);
  });
});
