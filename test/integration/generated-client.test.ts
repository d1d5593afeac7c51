import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectDir } from '../../dev/project-dir.ts';
import { dayAhead, startSystem, type System } from '../setup/system.ts';

const run = promisify(execFile);
const bin = (name: string) => join(projectDir, 'node_modules', '.bin', name);

/** A typical client program: types from openapi-typescript, calls by openapi-fetch. */
const program = (guests = '2') => `
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.ts';

const [baseUrl, roomId, date] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl });
const account = { email: 'client@example.com', password: 'correct horse' };

await client.POST('/api/register/', { body: { ...account, confirm_password: account.password } });
const login = await client.POST('/api/login/', { body: account });
if (!login.data) throw new Error(login.error.detail);
client.use({
  onRequest({ request }) {
    request.headers.set('Authorization', \`Bearer \${login.data.access}\`);
    return request;
  },
});

const made = await client.POST('/api/bookings/', {
  body: { room_id: Number(roomId), booking_date: date, start_time: '09:00', end_time: '10:00', guest_count: ${guests} },
});
if (!made.data) throw new Error(made.error.code);
const booking: components['schemas']['Booking'] = made.data;

const shown = await client.GET('/api/bookings/{id}/', { params: { path: { id: String(booking.id) } } });
const again = await client.POST('/api/bookings/', {
  body: { room_id: Number(roomId), booking_date: date, start_time: '09:00', end_time: '10:00', guest_count: 2 },
});
const status: 'pending' | 'confirmed' | 'expired' | 'cancelled' | 'completed' | undefined = shown.data?.status;
console.log(JSON.stringify({ status, amount: booking.total_amount, refusal: again.error?.code }));
`;

const compilerOptions = {
  target: 'es2022',
  lib: ['es2022', 'dom'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  skipLibCheck: true,
  noEmit: true,
  allowImportingTsExtensions: true,
};

let system: System;
let dir: string;

beforeAll(async () => {
  system = await startSystem();
  dir = mkdtempSync(join(tmpdir(), 'booking-client-'));
  symlinkSync(join(projectDir, 'node_modules'), join(dir, 'node_modules'));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  const document = await system.call('GET', '/openapi.json');
  writeFileSync(join(dir, 'openapi.json'), JSON.stringify(document.body));
  await run(bin('openapi-typescript'), ['openapi.json', '-o', 'schema.ts'], { cwd: dir });
}, 60_000);
afterAll(async () => {
  await system.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Compiles a program; resolves to what the compiler says, '' when it is content. */
async function compile(text: string): Promise<string> {
  writeFileSync(join(dir, 'client.ts'), text);
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['client.ts'] }));
  const said = await run(bin('tsc'), ['-p', '.'], { cwd: dir }).catch((error: { stdout: string }) => error);
  return said.stdout;
}

describe('a client that is generated from /openapi.json', () => {
  test('does not compile with a field of another type than the API takes', async () => {
    expect(await compile(program("'two'"))).toContain("'string' is not assignable to type 'number'");
  });

  test('compiles, books a room and reads the refusal of a second booking', async () => {
    expect(await compile(program())).toBe('');
    const room = await system.newRoom();
    const args = ['--import', 'tsx', 'client.ts', system.url, String(room), dayAhead(9)];
    const { stdout } = await run(process.execPath, args, { cwd: dir });
    expect(JSON.parse(stdout)).toEqual({ status: 'pending', amount: 40, refusal: 'slot_taken' });
  });
});
