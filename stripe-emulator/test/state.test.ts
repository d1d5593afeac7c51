import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { emulatorKeys, startStripe, type StripeEmulator } from '../src/index.ts';
import { clientOf, failureOf, startReceiver } from './kit.ts';

let folder = '';
let stateFile = '';
const running: { stop(): Promise<unknown> }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stripe-emulator-'));
  stateFile = join(folder, 'stripe.jsonl');
});
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: Parameters<typeof startStripe>[0] = {}): Promise<StripeEmulator> {
  const emulator = await startStripe({ stateFile, ...options });
  running.push(emulator);
  return emulator;
}

async function restart(emulator: StripeEmulator): Promise<StripeEmulator> {
  running.splice(running.indexOf(emulator), 1);
  await emulator.stop();
  return start();
}

const plainParams = { amount: 5000, currency: 'eur', metadata: { booking_ref: 'b-1' } };

test('a restart keeps objects, keys, events, undelivered webhooks and the wishes of the control', async () => {
  const first = await start();
  const stripe = clientOf(first);
  const paid = await stripe.paymentIntents.create(plainParams, { idempotencyKey: 'key-1' });
  await first.control.pay(paid.id);
  const refund = await stripe.refunds.create({ payment_intent: paid.id, amount: 100 });
  const racing = await stripe.paymentIntents.create(plainParams);
  await first.control.payOnCancel(racing.id);
  const ledger = await first.control.ledger();
  const events = (await stripe.events.list({ limit: 100 })).data;

  const second = await restart(first);
  const again = clientOf(second);
  expect(await second.control.ledger()).toEqual(ledger);
  expect((await again.events.list({ limit: 100 })).data).toEqual(events);
  expect(await again.refunds.retrieve(refund.id)).toEqual(refund);
  const replay = await again.paymentIntents.create(plainParams, { idempotencyKey: 'key-1' });
  expect(replay).toEqual(paid);
  expect(replay.lastResponse.headers['idempotent-replayed']).toBe('true');
  expect((await failureOf(again.paymentIntents.cancel(racing.id))).payment_intent?.status).toBe('succeeded');

  const receiver = await startReceiver();
  running.push(receiver);
  await second.control.setWebhookUrl(receiver.url);
  await second.control.whenDelivered();
  expect(receiver.received.map(({ event }) => event.id)).toEqual(
    expect.arrayContaining(events.map(({ id }) => id)),
  );
});

test('what was delivered is not delivered again after a restart', async () => {
  const receiver = await startReceiver();
  running.push(receiver);
  const first = await start({ webhookUrl: receiver.url });
  await clientOf(first).paymentIntents.create(plainParams);
  await first.control.whenDelivered();
  const second = await restart(first);
  expect(await second.control.undelivered()).toEqual([]);
});

test('the file is rewritten at the start, and a line cut short by a kill is dropped', async () => {
  const first = await start();
  const stripe = clientOf(first);
  const { id } = await stripe.paymentIntents.create(plainParams);
  for (let change = 0; change < 50; change++)
    await stripe.paymentIntents.update(id, { description: `change ${change}` });
  await first.stop();
  running.length = 0;
  const bytesBefore = statSync(stateFile).size;
  appendFileSync(stateFile, '[["pi","pi_torn",{"id":"pi_to');

  const second = await start();
  expect(statSync(stateFile).size).toBeLessThan(bytesBefore);
  expect(readFileSync(stateFile, 'utf8')).not.toContain('pi_torn');
  const ledger = await second.control.ledger();
  expect(ledger.paymentIntents.map((entry) => entry.id)).toEqual([id]);
  expect((await clientOf(second).paymentIntents.retrieve(id)).description).toBe('change 49');
});

test('a file that is damaged in the middle is refused, not shortened in silence', async () => {
  const first = await start();
  await clientOf(first).paymentIntents.create(plainParams);
  await first.stop();
  running.length = 0;
  const text = readFileSync(stateFile, 'utf8');
  appendFileSync(stateFile, `rubbish\n${text}`);
  await expect(startStripe({ stateFile })).rejects.toThrow('damaged at line');
});

test('what was answered is in the file by then, also a change without an event', async () => {
  const stripe = clientOf(await start());
  const { id } = await stripe.paymentIntents.create(plainParams);
  for (let change = 0; change < 20; change++) {
    await stripe.paymentIntents.update(id, { description: `change number ${change}.` });
    expect(readFileSync(stateFile, 'utf8')).toContain(`change number ${change}.`);
  }
});

test('a reset is kept too', async () => {
  const first = await start();
  await clientOf(first).paymentIntents.create(plainParams);
  await first.control.reset();
  const second = await restart(first);
  expect((await second.control.ledger()).totals).toMatchObject({
    paymentIntents: 0,
    events: 0,
    undelivered: 0,
  });
});

test('a taken port is refused', async () => {
  const first = await start();
  await expect(startStripe({ port: Number(new URL(first.url).port) })).rejects.toThrow('EADDRINUSE');
});

test('as a process: SIGKILL in the middle of requests loses nothing that was answered, SIGTERM ends it well', async () => {
  const receiver = await startReceiver();
  running.push(receiver);
  receiver.state.reply = () => 503;
  const victim = await spawnEmulator();
  const stripe = clientOf(victim);
  const answered: string[] = [];
  let isDead = false;
  const load = Array.from({ length: 4 }, async (_, lane) => {
    for (let made = 0; !isDead; made++) {
      const intent = await stripe.paymentIntents
        .create(plainParams, { idempotencyKey: `${lane}-${made}` })
        .catch(() => undefined);
      if (intent) answered.push(intent.id);
    }
  });
  await expect.poll(() => answered.length, { timeout: 30_000, interval: 5 }).toBeGreaterThan(100);
  victim.process.kill('SIGKILL');
  await victim.exit;
  isDead = true;
  await Promise.all(load);

  const heir = await spawnEmulator({ DEV_STRIPE_PORT: new URL(victim.settings.STRIPE_API_BASE).port });
  const kept = await clientOf(heir).paymentIntents.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
  const keptIds = new Set(kept.map(({ id }) => id));
  expect(answered.filter((id) => !keptIds.has(id))).toEqual([]);
  // At most one request of each lane was under way.
  expect(keptIds.size - answered.length).toBeLessThanOrEqual(4);
  const firstKey = await clientOf(heir).paymentIntents.create(plainParams, { idempotencyKey: '0-0' });
  expect(keptIds.has(firstKey.id)).toBe(true);

  // The events that never got a 2xx are still on their way.
  receiver.state.reply = () => 200;
  await expect.poll(() => new Set(eventIntents(receiver)).size, { timeout: 30_000 }).toBe(keptIds.size);
  heir.process.kill('SIGTERM');
  expect(await heir.exit).toBe(0);

  async function spawnEmulator(env: Record<string, string> = {}) {
    const emulator = await spawnMain({ DATA_DIR: folder, STRIPE_WEBHOOK_URL: receiver.url, ...env });
    running.push({ stop: async () => emulator.process.kill('SIGKILL') });
    return emulator;
  }
});

test('a process in a container leads the customer to the address that a browser reaches', async () => {
  const emulator = await spawnMain({
    DATA_DIR: folder,
    DEV_STRIPE_HOST: '0.0.0.0',
    STRIPE_BROWSER_BASE: 'http://localhost:15000/',
  });
  running.push({ stop: async () => emulator.process.kill('SIGKILL') });
  const intent = await clientOf(emulator).paymentIntents.create({
    ...plainParams,
    confirm: true,
    payment_method: 'pm_card_threeDSecure2Required',
    return_url: 'http://localhost:8000/payment/success',
  });
  expect(intent.next_action?.redirect_to_url?.url).toMatch(/^http:\/\/localhost:15000\/_emulator\/3ds\/pi_/);
});

function eventIntents(receiver: Awaited<ReturnType<typeof startReceiver>>): string[] {
  return receiver.received.map(({ event }) => (event.data.object as { id: string }).id);
}

/** Runs src/main.ts and waits for its ready line. */
async function spawnMain(env: Record<string, string>) {
  const root = fileURLToPath(new URL('../', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts'], {
    cwd: root,
    env: { ...process.env, DEV_STRIPE_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const ready = /ready at (http:\S+)\n/.exec(said)?.[1];
      if (ready) resolve(ready);
    });
    void exit.then((code) => reject(new Error(`the emulator ended with ${code}`)));
  });
  const settings: StripeEmulator['settings'] = {
    ...emulatorKeys,
    STRIPE_API_BASE: url,
  };
  return { process: child, exit, settings };
}
