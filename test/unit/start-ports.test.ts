import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { claimPort, findFreePort, readPort } from '../../dev/ports.ts';

const host = '127.0.0.1';
const claim = (port: number, setting: 'PORT' | 'DEV_STRIPE_PORT' = 'PORT') =>
  claimPort(setting, port, host, 'the API');

describe('the ports of npm start', () => {
  test('a free port is taken as it is set; 0 takes any free one', async () => {
    const port = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, host, () => {
        const { port: bound } = server.address() as { port: number };
        server.close(() => resolve(bound));
      });
    });
    expect(await claim(port)).toBe(port);
    expect(await claim(0)).toBeGreaterThan(0);
  });

  test('a port that is in use is refused in one line that names the setting', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as { port: number };
    try {
      await expect(claim(port)).rejects.toThrow(
        new RegExp(`^Port ${port} \\(the API\\) is in use.* set PORT to another port\\.$`),
      );
    } finally {
      server.close();
    }
  });

  test('one port for two settings is refused before anything starts', async () => {
    const port = await findFreePort();
    await expect(claim(port, 'DEV_STRIPE_PORT')).rejects.toThrow(/set DEV_STRIPE_PORT to another port/);
  });

  test('an address that is not of this machine is reported with its error code', async () => {
    await expect(claimPort('PORT', 8_000, '192.0.2.1', 'the API')).rejects.toThrow(
      /cannot be opened \(EADDRNOTAVAIL\)/,
    );
  });

  test.each(['eighty', '-1', '65536', '1.5'])('%s is no port', (text) => {
    expect(() => readPort({ PORT: text }, 'PORT')).toThrow(/^PORT is .* it must be a port number\.$/);
  });
});
