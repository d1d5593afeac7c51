import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMachine, type Machine } from './npm-start.ts';

/** The commands that `npm start` prints, in order. */
function printedCommands(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => /^ {2}(\w+=\$\(|)(curl|sleep)/.test(line))
    .map((line) => line.trim());
}

function run(commands: string[]): string {
  const script = ['set -e', ...commands].join('\n');
  return execFileSync('bash', ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

async function answerOf(url: string, init?: RequestInit): Promise<Record<string, string>> {
  const response = await fetch(url, init);
  return (await response.json()) as Record<string, string>;
}

/** The status of the booking as its owner reads it now. */
async function bookingStatus(machine: Machine, id: number): Promise<string | undefined> {
  const login = await answerOf(`${machine.apiUrl}/api/login/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'longtran20014@gmail.com', password: '123456Long' }),
  });
  const headers = { authorization: `Bearer ${login.access}` };
  return (await answerOf(`${machine.apiUrl}/api/bookings/${id}/`, { headers })).status;
}

async function becomesConfirmed(machine: Machine, id: number): Promise<void> {
  await expect.poll(() => bookingStatus(machine, id), { timeout: 15_000 }).toBe('confirmed');
}

async function isReady(machine: Machine): Promise<boolean> {
  try {
    return (await answerOf(`${machine.apiUrl}/readyz`)).status === 'ok';
  } catch {
    return false;
  }
}

/** Kills a service by force and waits until another process has taken its place. */
async function killAndAwaitSuccessor(machine: Machine, name: string): Promise<void> {
  const victim = machine.services().get(name);
  if (!victim) throw new Error(`${name} does not run`);
  process.kill(victim.pid, 'SIGKILL');
  while ((machine.services().get(name)?.pid ?? victim.pid) === victim.pid) await sleep(50);
}

describe('npm start', () => {
  let machine: Machine;
  let running: ReturnType<Machine['start']>;
  let bookingId: number;

  beforeAll(async () => {
    machine = await createMachine();
  });
  afterAll(() => machine.remove());

  it('brings everything up on an empty data directory and says where it is', async () => {
    running = machine.start();
    await running.says('Ctrl-C stops everything');
    const output = running.output();
    expect(output).toContain(machine.apiUrl);
    expect(output).toContain(`http://127.0.0.1:${machine.ports.DEV_TEMPORAL_UI_PORT}`);
    expect(output).toMatch(/Database +postgres:\/\/booking_app:/);
    expect(output).toContain('longtran20014@gmail.com');
    expect(output).toContain('admin@gmail.com');
    expect(output).toContain('4242 4242 4242 4242');
    expect([...machine.services().keys()]).toEqual(['api', 'worker', 'stripe', 'temporal', 'postgres']);
    const ui = await fetch(`http://127.0.0.1:${machine.ports.DEV_TEMPORAL_UI_PORT}/`);
    expect(ui.status).toBe(200);
  });

  it('prints commands that log in, book a room and pay for it', async () => {
    const commands = printedCommands(running.output());
    expect(commands).toHaveLength(5);
    const answer = run(commands).trim().split('\n').at(-1) ?? '';
    const booking = JSON.parse(answer);
    expect(booking).toMatchObject({ room_id: 1, payment_status: 'succeeded' });
    bookingId = booking.id;
    await becomesConfirmed(machine, bookingId);
  });

  it('refuses a second start on the same data directory in one line', async () => {
    const second = machine.start();
    expect(await second.exitCode).toBe(1);
    const said = linesOf(second.output());
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('already runs');
    expect(said[0]).toContain('DATA_DIR');
  });

  it.for(['api', 'worker', 'stripe', 'temporal', 'postgres'])(
    'recovers when %s is killed by force, and loses no data',
    async (name) => {
      await killAndAwaitSuccessor(machine, name);
      await expect.poll(() => isReady(machine), { timeout: 20_000 }).toBe(true);
      expect(running.output()).toContain(`${name} ended (SIGKILL)`);
      expect(await bookingStatus(machine, bookingId)).toBe('confirmed');
    },
  );

  it('still takes a booking through to its end after all that', async () => {
    const later = '"start_time":"14:00:00","end_time":"14:30:00"';
    const commands = printedCommands(running.output()).map((line) =>
      line.replace(/"start_time":"[^"]*","end_time":"[^"]*"/, later),
    );
    const booking = JSON.parse(run(commands).trim().split('\n').at(-1) ?? '');
    expect(booking).toMatchObject({ start_time: '14:00:00', payment_status: 'succeeded' });
    await becomesConfirmed(machine, booking.id);
  });

  it('leaves no process behind when npm start itself is killed by force', async () => {
    const pids = [...machine.services().values()];
    running.kill('SIGKILL');
    expect(pids).toHaveLength(5);
    await machine.becomesEmpty(20_000);
  });

  it('finds its data again at the next start', async () => {
    running = machine.start();
    await running.says('Ctrl-C stops everything');
    expect(await bookingStatus(machine, bookingId)).toBe('confirmed');
  });

  it('starts again at once over what a killed supervisor left', async () => {
    const lock = JSON.parse(readFileSync(`${machine.dataDir}/lock.json`, 'utf8'));
    process.kill(lock.pid, 'SIGKILL');
    await running.exitCode;
    running = machine.start();
    await running.says('Ctrl-C stops everything');
    expect(await bookingStatus(machine, bookingId)).toBe('confirmed');
  });

  it('stops everything in order on SIGTERM, with exit code 0', async () => {
    running.kill('SIGTERM');
    expect(await running.exitCode).toBe(0);
    const order = /Stopping[\s\S]*api\s+worker\s+stripe\s+temporal\s+postgres\s+Everything is stopped/;
    expect(running.output()).toMatch(order);
    await machine.becomesEmpty(1_000);
  });

  it('stops at once on a second Ctrl-C, also when a process hangs', async () => {
    running = machine.start();
    await running.says('Ctrl-C stops everything');
    const worker = machine.services().get('worker');
    process.kill(worker?.pid ?? 0, 'SIGSTOP');
    running.kill('SIGINT');
    await running.says('Stopping');
    await sleep(1_000);
    running.kill('SIGINT');
    expect(await running.exitCode).toBe(130);
    await machine.becomesEmpty(5_000);
  });

  it.for(['PORT', 'DEV_TEMPORAL_UI_PORT', 'DEV_STRIPE_PORT'] as const)(
    'names the setting in one line when the port of %s is taken',
    async (setting) => {
      const holder = createServer().listen(machine.ports[setting], '127.0.0.1');
      await new Promise((resolve) => holder.once('listening', resolve));
      const blocked = machine.start();
      expect(await blocked.exitCode).toBe(1);
      await new Promise((resolve) => holder.close(resolve));
      const said = linesOf(blocked.output());
      expect(said).toHaveLength(1);
      expect(said[0]).toContain(`Port ${machine.ports[setting]}`);
      expect(said[0]).toContain(`set ${setting} `);
      await machine.becomesEmpty(1_000);
    },
  );
});

/** The output without npm's own lines. */
function linesOf(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^(> |npm (warn|error|notice))/.test(line));
}
