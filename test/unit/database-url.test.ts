import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readDatabaseUrl } from '../../db/database-url.ts';

const remote = 'postgresql://app:pass%40word@db.example.com:5432/booking';
let dir: string;
let ca: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'booking-url-'));
  ca = join(dir, 'ca.pem');
  writeFileSync(ca, 'an authority');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the address of a database', () => {
  test('is taken apart', () => {
    const { config } = readDatabaseUrl(remote);
    expect(config).toMatchObject({
      host: 'db.example.com',
      port: 5432,
      user: 'app',
      password: 'pass@word',
      database: 'booking',
    });
  });

  test.each<[query: string, ssl: unknown, plainAllowed: boolean]>([
    ['', { rejectUnauthorized: false }, true],
    ['?sslmode=disable', false, false],
    ['?sslmode=allow', { rejectUnauthorized: false }, true],
    ['?sslmode=prefer', { rejectUnauthorized: false }, true],
    ['?sslmode=require', { rejectUnauthorized: false }, false],
    ['?sslmode=no-verify', { rejectUnauthorized: false }, false],
    ['?ssl=true', { rejectUnauthorized: false }, false],
    ['?ssl=0', false, false],
    ['?sslmode=verify-full', {}, false],
    ['?sslmode=verify-full&sslrootcert=system', {}, false],
  ])('%j says as much about TLS as to libpq', (query, ssl, plainAllowed) => {
    const address = readDatabaseUrl(remote + query);
    expect(address.config.ssl).toEqual(ssl);
    expect(address.plainAllowed).toBe(plainAllowed);
  });

  test('an authority makes `require` verify it, without the name, and `verify-full` with it', () => {
    const ssl = (mode: string) => readDatabaseUrl(`${remote}?sslmode=${mode}&sslrootcert=${ca}`).config.ssl;
    for (const mode of ['require', 'verify-ca']) {
      expect(ssl(mode)).toEqual({ ca: 'an authority', checkServerIdentity: expect.any(Function) });
    }
    expect(ssl('verify-full')).toEqual({ ca: 'an authority' });
  });

  test.each(['127.0.0.1:5432', 'localhost', '[::1]:5432', '%2Fvar%2Frun%2Fpostgresql'])(
    'on this machine (%s) there is no TLS unless asked for',
    (host) => {
      expect(readDatabaseUrl(`postgres://app:x@${host}/booking`).config.ssl).toBe(false);
    },
  );

  test.each([
    ['mysql://app:hidden@db/booking', /address like postgres:/],
    ['db.example.com', /address like postgres:/],
    [`${remote}?sslmode=verify`, /sslmode must be one of disable, allow, prefer/],
    [`${remote}?sslmode=verify-ca`, /sslmode=verify-ca needs sslrootcert/],
    [`${remote}?sslmode=require&sslrootcert=system`, /needs sslmode=verify-full/],
    [
      `${remote}?sslmode=verify-full&sslrootcert=/not/there.pem`,
      /\/not\/there.pem cannot be read \(ENOENT\)/,
    ],
  ])('%s is refused with what to write, and no password', (url, sentence) => {
    expect(() => readDatabaseUrl(url)).toThrow(sentence);
    expect(() => readDatabaseUrl(url)).not.toThrow(/hidden|pass[@%]/);
  });

  test('a pasted address of Supabase’s pooler works without a warning', () => {
    const warned = vi.spyOn(process, 'emitWarning');
    const url = 'postgresql://postgres.abcdefgh:secret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres';
    for (const query of ['', '?sslmode=require', '?pgbouncer=true&connection_limit=1']) {
      const { config, keepsStatements } = readDatabaseUrl(url + query);
      expect(config).toEqual({
        host: 'aws-0-eu-central-1.pooler.supabase.com',
        port: 6543,
        user: 'postgres.abcdefgh',
        password: 'secret',
        database: 'postgres',
        ssl: { rejectUnauthorized: false },
      });
      expect(keepsStatements).toBe(query.includes('pgbouncer') ? false : undefined);
    }
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
  });
});
