import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { expectProblem } from '../factories.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { startProxy } from '../setup/proxy.ts';
import { bootService, productionSettings } from '../setup/service-process.ts';
import { startSystem, type System, until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

const running = new Set<ReturnType<typeof boot>>();
afterEach(() => {
  for (const one of running) one.child.kill('SIGKILL');
  running.clear();
});

/** Starts the API's own process; what it says is kept. */
function boot(settings: Record<string, string>) {
  const { child, ended } = bootService('api/main.ts', settings);
  const one = { child, ended, output: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (one.output += chunk.toString()));
  }
  running.add(one);
  return one;
}

let database: TestDatabase;
let production: Record<string, string>;
beforeAll(async () => {
  database = await createTestDatabase();
  production = productionSettings(database.url);
});
afterAll(() => database.drop());

describe('the API process', () => {
  const short = randomBytes(16).toString('hex').slice(0, 31);
  const same = randomBytes(24).toString('hex');
  test.each<[string, Record<string, string>, string]>([
    ['the key “secret”', { SECRET_KEY: 'secret' }, 'SECRET_KEY'],
    ['a key of 31 bytes', { SECRET_KEY: short }, 'SECRET_KEY'],
    ['no key', { SECRET_KEY: '' }, 'SECRET_KEY'],
    ['one secret for two purposes', { SECRET_KEY: same, CLEANUP_TOKEN: same }, 'CLEANUP_TOKEN'],
    ['the emulator’s key', { STRIPE_SECRET_KEY: 'sk_test_emulator' }, 'STRIPE_SECRET_KEY'],
  ])(
    'AU-03 OP-10 with %s it does not start, and names the setting, not the value',
    async (_, settings, name) => {
      const one = boot({ ...production, ...settings });
      expect((await one.ended)[0]).toBe(1);
      expect(one.output).toContain(name);
      for (const value of Object.values({ ...production, ...settings })) {
        if (value.length > 20 && value !== settings['STRIPE_SECRET_KEY'])
          expect(one.output).not.toContain(value);
      }
    },
    60_000,
  );

  test('HT-11 OP-10 an unexpected error ends it with exit code 1, its log without a secret', async ({
    task,
  }) => {
    // This does not depend on how long an orderly stop waits for the load balancer.
    const one = boot({ ...production, SHUTDOWN_DELAY_SECONDS: '60' });
    await until('the start', async () => one.output.includes('api ready'), 40_000);
    const begun = performance.now();
    one.child.kill('SIGUSR2');
    expect((await one.ended)[0]).toBe(1);
    const afterMs = performance.now() - begun;
    task.meta.figure = `ended after ${Math.round(afterMs)} ms`;
    expect(afterMs).toBeLessThan(timely(5_000));
    const fatal = one.output.split('\n').find((line) => line.includes('unhandledRejection'));
    expect(JSON.parse(fatal ?? '{}')).toMatchObject({ level: 'fatal', err: { message: 'a bug' } });
    for (const name of [
      'STRIPE_SECRET_KEY',
      'STRIPE_WEBHOOK_SECRET',
      'SECRET_KEY',
      'CLEANUP_TOKEN',
      'DATABASE_URL',
    ]) {
      expect(one.output, name).not.toContain(production[name]);
    }
  }, 120_000);
});

describe('the probes', () => {
  let system: System;
  let postgres: Awaited<ReturnType<typeof startProxy>>;
  let temporal: Awaited<ReturnType<typeof startProxy>>;
  beforeAll(async () => {
    postgres = await startProxy(new URL(inject('postgres').appUrl).host);
    temporal = await startProxy(inject('temporal').address);
    system = await startSystem({
      worker: false,
      databaseAddress: postgres.address,
      settings: { TEMPORAL_ADDRESS: temporal.address },
    });
  });
  afterAll(async () => {
    await system.stop();
    await Promise.all([postgres.stop(), temporal.stop()]);
  });

  test('OP-06 without Temporal the service is degraded, without Postgres not ready, and alive all the while', async () => {
    const ready = () => system.call('GET', '/readyz');
    const expectAlive = async () => expect((await system.call('GET', '/livez')).status).toBe(200);
    expect(await ready()).toMatchObject({ status: 200, body: { temporal: 'ok', postgres: 'ok' } });
    temporal.set('refuse');
    expect(await ready()).toMatchObject({ status: 200, body: { status: 'degraded', temporal: 'degraded' } });
    await expectAlive();
    postgres.set('refuse');
    const refused = await ready();
    expectProblem(refused, 'database_unavailable');
    expect(JSON.stringify(refused.body)).not.toMatch(/booking_app|127\.0\.0\.1|ECONN/);
    await expectAlive();
    postgres.set('forward');
    temporal.set('forward');
    await until('readiness', async () => (await ready()).status === 200);
  }, 40_000);
});
