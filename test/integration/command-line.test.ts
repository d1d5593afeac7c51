import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { migrationNames } from '../../db/migrations/index.ts';
import { demoAccounts, demoPassword } from '../../db/seed.ts';
import { projectDir } from '../../dev/project-dir.ts';
import { cookieOf, expectProblem } from '../factories.ts';
import { openBrowser, signInStaff } from '../setup/panel.ts';
import { startSystem, type System, until } from '../setup/system.ts';

interface Run {
  args?: string[];
  /** Environment of the command, beside PATH and HOME: nothing of ours. */
  env?: Record<string, string>;
  /** All of its input. */
  input?: string;
  /** What is typed at which prompt of its terminal. */
  typed?: [prompt: string, answer: string][];
  cwd?: string;
}

/** Runs the file of a command as its npm script does; with `typed`, at a terminal of its own. */
async function run(file: string, { args = [], env = {}, input, typed, cwd = projectDir }: Run = {}) {
  const command = [process.execPath, '--import', 'tsx', file, ...args];
  // Python is there wherever the service is developed, and brings a pseudo-terminal on Linux and macOS alike.
  const terminal = [
    'python3',
    '-c',
    'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))',
    ...command,
  ];
  const [program = '', ...rest] = typed ? terminal : command;
  const child = spawn(program, rest, { cwd, env: { ...homeAndPath, ...env }, timeout: 15_000 });
  let stdout = '';
  let stderr = '';
  const waiting = [...(typed ?? [])];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    while (waiting[0] && stdout.includes(waiting[0][0])) child.stdin.write(waiting.shift()?.[1]);
  });
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // A command that refuses its arguments ends before it has read its input.
  child.stdin.on('error', () => {});
  if (!typed) child.stdin.end(input ?? '');
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

const { PATH = '', HOME = '' } = process.env;
const homeAndPath = { PATH, HOME };

const createAdmin = 'commands/create-admin.ts';
const stdinArgs = (email: string) => ['--email', email, '--password-stdin'];
const commands: [name: string, args: string[]][] = [
  ['create-admin', stdinArgs('a@example.com')],
  ['seed', []],
  ['shell', []],
];
const input = 'a good password\n';

/** One line for a person: no stack, nothing on stdout. */
function expectOneLine(result: Awaited<ReturnType<typeof run>>, code: number, line: RegExp): void {
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(line)]);
}

let system: System;
let env: { DATABASE_URL: string };
beforeAll(async () => {
  system = await startSystem({ worker: false });
  env = { DATABASE_URL: system.database.url };
});
afterAll(() => system.stop());

/** DATABASE_URL with another part. */
function changed(part: Partial<Record<'host' | 'password' | 'pathname', string>>): string {
  return Object.assign(new URL(system.database.url), part).href;
}

/** A port that refuses: it was free a moment ago. */
async function refusingPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.concurrent.each([...commands, ['migrate-make', []] as [string, string[]]])('%s', (name) => {
  const file = `commands/${name}.ts`;

  test('explains itself, without a database', async () => {
    const result = await run(file, { args: ['--help'] });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(new RegExp(`^npm run ${name.replace('-make', ':make')}\\b`));
  });

  test('refuses an option that it does not know in one line', async () => {
    const result = await run(file, { args: ['--passwort=hidden in haste'], env });
    expectOneLine(result, 2, /^Unknown option '--passwort'\. Try --help\.$/);
  });
});

describe.concurrent.each(commands)('the database of %s', (name, args) => {
  const file = `commands/${name}.ts`;
  const runWith = (url: string) => run(file, { args, input, env: { DATABASE_URL: url } });

  test('must be named', async () => {
    expectOneLine(await run(file, { args, input }), 2, /^Set DATABASE_URL/);
  });

  test('without a schema is to be migrated', async () => {
    const { pathname } = new URL(inject('postgres').appUrl);
    expectOneLine(await runWith(changed({ pathname })), 1, /Run: npm run migrate$/);
  });
});

describe.concurrent('DATABASE_URL', () => {
  const runWith = (url: string) => run('commands/seed.ts', { env: { DATABASE_URL: url } });

  test('is told to be away when nobody listens', async () => {
    const result = await runWith(changed({ host: `127.0.0.1:${await refusingPort()}` }));
    expectOneLine(result, 1, /^Postgres is not responding at DATABASE_URL \(ECONNREFUSED\)/);
  });

  test('refuses a wrong password, which is not told', async () => {
    const password = randomUUID();
    const result = await runWith(changed({ password }));
    expectOneLine(result, 1, /^Postgres does not accept the user or password of DATABASE_URL/);
    expect(result.stderr).not.toContain(password);
  });

  test('of another kind is refused untold', async () => {
    const result = await runWith('mysql://app:hidden-in-haste@localhost/booking');
    expectOneLine(result, 2, /^DATABASE_URL: must be an address like postgres:/);
    expect(result.stderr).not.toContain('hidden-in-haste');
  });
});

describe.concurrent('create-admin', () => {
  const newEmail = () => `${randomUUID()}@example.com`;
  const login = (email: string, password: string) =>
    system.call('POST', '/api/login/', { body: { email, password } });
  const accountOf = async (email: string) => system.db('users').where({ email }).first();

  test('makes an account that signs in as staff, to the API and to the panel', async () => {
    const email = newEmail();
    const password = `Ω pass ${randomUUID()}`;
    const result = await run(createAdmin, {
      args: stdinArgs(`  ${email.toUpperCase()} `),
      input: `${password}\n`,
      env,
    });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(new RegExp(`^${email} is now staff \\(user \\d+\\)\\.\n$`));
    const answer = await login(email, password);
    expect(answer.body).toMatchObject({ email, is_staff: true, is_superuser: true });
    const all = await system.call('GET', '/api/bookings/all/', { token: answer.body.access });
    expect(all.status).toBe(200);
    expect((await openBrowser(system).signIn(email, password)).status).toBe(303);
  });

  test('AU-09 gives an ordinary account the role and a new password, and ends its sessions', async () => {
    const body = { email: newEmail(), password: 'the old one', confirm_password: 'the old one' };
    expect((await system.call('POST', '/api/register/', { body })).status).toBe(201);
    const old = await login(body.email, body.password);
    await system.db('users').where({ email: body.email }).update({ is_active: false });

    const result = await run(createAdmin, { args: stdinArgs(body.email), input: 'the new one\n', env });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toContain('an existing account, now signed out everywhere');
    const headers = { Cookie: cookieOf(old)?.pair ?? '' };
    expectProblem(
      await system.call('POST', '/api/token/refresh-cookie/', { headers }),
      'invalid_refresh_token',
    );
    expectProblem(await login(body.email, body.password), 'invalid_credentials');
    const fresh = await login(body.email, 'the new one');
    expect(fresh.body).toMatchObject({ user_id: old.body.user_id, is_staff: true });
    const cookie = { Cookie: cookieOf(fresh)?.pair ?? '' };
    expect((await system.call('POST', '/api/token/refresh-cookie/', { headers: cookie })).status).toBe(200);
  });

  test('AU-09 signs staff out of the panel, and nobody else', async () => {
    const [reset, other] = await Promise.all([signInStaff(system), signInStaff(system)]);
    expect((await reset.browser.get('/admin')).status).toBe(200);
    expect((await run(createAdmin, { args: stdinArgs(reset.staff.email), input, env })).code).toBe(0);
    expect((await reset.browser.get('/admin')).status).toBe(401);
    expect((await other.browser.get('/admin')).status).toBe(200);
  });

  test('is noted in the trail that the panel shows', async () => {
    const email = newEmail();
    await run(createAdmin, { args: stdinArgs(email), input, env });
    const { id } = await accountOf(email);
    const events = await system.db('staff_events').where({ subject_kind: 'user', subject_id: id });
    expect(events).toMatchObject([{ actor_id: id, action: 'made_staff' }]);
    const { browser } = await signInStaff(system);
    expect((await browser.get(`/admin/users/${id}`)).text).toContain('On the command line');
  });

  test.each<[string, string, RegExp]>([
    ['of seven characters', '7 chars\n', /at least 8 characters/],
    ['of 1025 bytes', `${'é'.repeat(512)}x\n`, /at most 1024 bytes/],
    ['too easy to guess', 'Password1\n', /too easy to guess/],
    ['that does not come', '', /^No password was given/],
  ])('refuses a password %s', async (_, secret, line) => {
    const email = newEmail();
    const result = await run(createAdmin, { args: stdinArgs(email), input: secret, env });
    expectOneLine(result, 2, line);
    if (secret.trim()) expect(result.stderr).not.toContain(secret.trim());
    expect(await accountOf(email)).toBeUndefined();
  });

  test.each<[string, string[], RegExp]>([
    ['no e-mail', ['--password-stdin'], /^--email is missing/],
    ['what is no e-mail', stdinArgs('boss@localhost'), /^"boss@localhost" is not an e-mail address/],
    ['more than it asks for', [...stdinArgs('a@example.com'), 'more'], /^Unexpected argument 'more'/],
    ['no terminal to ask at', ['--email', 'a@example.com'], /use --password-stdin/],
  ])('refuses %s', async (_, args, line) => {
    expectOneLine(await run(createAdmin, { args, input, env }), 2, line);
    expect(await accountOf('a@example.com')).toBeUndefined();
  });

  test('asks twice at a terminal, and shows nothing of the password', async () => {
    const email = newEmail();
    const password = randomUUID();
    const { code, stdout } = await run(createAdmin, {
      args: ['--email', email],
      env,
      typed: [
        ['Password', `${password}\r`],
        ['Repeat the password', `${password}\r`],
      ],
    });
    expect(stdout).toContain(`${email} is now staff`);
    expect(code).toBe(0);
    expect(stdout).not.toContain(password.slice(0, 8));
    expect((await login(email, password)).body).toMatchObject({ is_staff: true });
  });

  test('asks for the address too at a terminal, and shows nothing of a password pasted with it', async () => {
    const [email, password] = [newEmail(), randomUUID()];
    const { code, stdout } = await run(createAdmin, {
      env,
      typed: [
        ['E-mail address', ` ${email.toUpperCase()} \r${password}\r`],
        ['Password', `${password}\r`],
        ['Repeat the password', `${password}\r`],
      ],
    });
    expect(stdout).toContain(`${email} is now staff`);
    expect(code).toBe(0);
    expect(stdout).not.toContain(password.slice(0, 8));
  });

  test.each(['\r', '\u0003'])('changes nothing when no address is given (%j)', async (keys) => {
    const { code, stdout } = await run(createAdmin, { env, typed: [['E-mail address', keys]] });
    expect(stdout).toContain('No address was given');
    expect(stdout).not.toContain('    at ');
    expect(code).toBe(2);
  });

  test('takes both lines when they are pasted at once, even with --password-stdin', async () => {
    const email = newEmail();
    const password = randomUUID();
    const both = `${password}\r${password}\r`;
    const { code, stdout } = await run(createAdmin, {
      args: stdinArgs(email),
      env,
      typed: [['Password', both]],
    });
    expect(stdout).not.toContain(password.slice(0, 8));
    expect(code).toBe(0);
  });

  test.each<[string, string, RegExp]>([
    ['two passwords that differ', 'one of them\ranother one\r', /The two passwords differ/],
    ['Ctrl+C', '\u0003', /No password was given/],
  ])('changes nothing after %s', async (_, keys, line) => {
    const email = newEmail();
    const { code, stdout } = await run(createAdmin, {
      args: ['--email', email],
      env,
      typed: [['Password', keys]],
    });
    expect(stdout).toMatch(line);
    expect(stdout).not.toContain('    at ');
    expect(code).toBe(2);
    expect(await accountOf(email)).toBeUndefined();
  });
});

describe('migrate:make', () => {
  /** A copy of what the command needs: the real folder must stay as it is. */
  let cwd: string;
  beforeAll(() => {
    cwd = mkdtempSync(join(tmpdir(), 'booking-migrate-make-'));
    for (const part of ['commands', 'core', 'db', 'domain', 'package.json', 'tsconfig.json']) {
      cpSync(join(projectDir, part), join(cwd, part), { recursive: true });
    }
    symlinkSync(join(projectDir, 'node_modules'), join(cwd, 'node_modules'));
  });
  afterAll(() => rmSync(cwd, { recursive: true, force: true }));

  const make = (...args: string[]) => run('commands/migrate-make.ts', { args, cwd });
  const numbered = (next: number, name: string) =>
    `${String(migrationNames.length + next).padStart(4, '0')}-${name}`;
  const inFolder = (file: string) => join(cwd, 'db/migrations', file);

  test('makes migrations with the next numbers, which run', async () => {
    const names = [numbered(1, 'add-room-floor'), numbered(2, 'add-2-words')];
    for (const [index, name] of ['add-room-floor', 'add-2-words'].entries()) {
      const { code, stdout } = await make(name);
      expect(stdout).toContain(`Created db/migrations/${names[index]}.sql`);
      expect(code).toBe(0);
    }
    const list = readFileSync(inFolder('index.ts'), 'utf8');
    expect(list).toContain(`\n  '${names[0]}',\n  '${names[1]}',\n];`);
    writeFileSync(inFolder(`${names[0]}.sql`), 'alter table rooms add column floor integer;\n');
    const migrated = await run('commands/migrate.ts', {
      cwd,
      env: { DATABASE_URL: system.database.ownerUrl },
    });
    expect(migrated).toMatchObject({ code: 0, stdout: `Migrated: ${names.join(', ')}\n` });
    await system.db('rooms').select('floor');
  });

  test('refuses a file that is there, and leaves it and the list as they are', async () => {
    // The baseline has no file in this folder, but the list has: as many files as there are migrations.
    const next = `${String(readdirSync(inFolder('.')).length + 1).padStart(4, '0')}-mine`;
    writeFileSync(inFolder(`${next}.sql`), 'select 1;');
    const list = readFileSync(inFolder('index.ts'), 'utf8');
    expectOneLine(await make('mine'), 1, /already exists/);
    expect(readFileSync(inFolder(`${next}.sql`), 'utf8')).toBe('select 1;');
    expect(readFileSync(inFolder('index.ts'), 'utf8')).toBe(list);
    rmSync(inFolder(`${next}.sql`));
  });

  test.concurrent.each([[[]], [['two', 'names']], [['Upper_score']], [['../../outside']]])(
    'refuses the name %j',
    async (names: string[]) => {
      const before = readdirSync(inFolder('.'));
      expectOneLine(await make(...names), 2, /one name|lower-case words and hyphens/);
      expect(readdirSync(inFolder('.'))).toEqual(before);
    },
  );
});

describe('seed', () => {
  const seed = (debug?: string) =>
    run('commands/seed.ts', { env: { ...env, ...(debug && { DEBUG: debug }) } });
  const demoRooms = () => system.db('rooms').where('name', 'not like', 'Room %').orderBy('id');
  const accounts = () =>
    system
      .db('users')
      .whereIn(
        'email',
        demoAccounts.map(({ email }) => email),
      )
      .orderBy('id');

  test('puts in rooms, accounts in debug only, each once, and leaves alone what was changed', async () => {
    for (const { code, stdout } of await Promise.all([seed(), seed('0')])) {
      expect(stdout).toContain('Added demo rooms (accounts only with DEBUG=true)');
      expect(code).toBe(0);
    }
    expect(await demoRooms()).toHaveLength(3);
    expect(await accounts()).toEqual([]);

    const both = await Promise.all([seed('true'), seed('1')]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(await demoRooms()).toHaveLength(3);
    expect(await accounts()).toHaveLength(demoAccounts.length);
    for (const { email, isStaff } of demoAccounts) {
      const answer = await system.call('POST', '/api/login/', { body: { email, password: demoPassword } });
      expect(answer.body).toMatchObject({ is_staff: isStaff });
    }

    const [room] = await demoRooms();
    await system.db('rooms').where({ id: room.id }).update({ price_minor: 1_234, is_available: false });
    await system.db('users').where({ email: demoAccounts[0]?.email }).update({ password_hash: 'changed' });
    const before = [await demoRooms(), await accounts()];
    expect((await seed('true')).code).toBe(0);
    expect([await demoRooms(), await accounts()]).toEqual(before);
  });
});

describe('shell', () => {
  test('answers what it is asked, and leaves no connection behind', async () => {
    const asked = "await sql('select 41 + 1 as answer')\nawait Room.query(db).where('id', 0)\n";
    const { code, stdout, stderr } = await run('commands/shell.ts', { input: asked, env });
    expect(stdout).toContain('[ { answer: 42 } ]');
    expect(stdout).toContain('[]');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await until('its connections end', async () => {
      const open = await system.db('pg_stat_activity').where({
        application_name: 'booking-command',
        datname: new URL(env.DATABASE_URL).pathname.slice(1),
      });
      return open.length === 0;
    });
  });
});
