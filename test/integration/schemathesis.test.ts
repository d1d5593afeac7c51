import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newBooking } from '../factories.ts';
import { installSchemathesis, runSchemathesis } from '../security/schemathesis.ts';
import { isFull, sized } from '../security/run.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

const timeoutMs = sized(120_000, 1_800_000);

describe('schemathesis, all checks', () => {
  let system: System;
  beforeAll(async () => {
    await installSchemathesis();
    system = await startSystem({ settings: { LIMIT_LOGIN_FAILURES: '0', LIMIT_REGISTRATIONS: '0' } });
  }, 400_000);
  afterAll(() => system?.stop());

  test.for(['a user', 'staff'])(
    'OP-09 with the token of %s: no 5xx, every answer conforms to the document',
    { timeout: timeoutMs + 10_000 },
    async (who, { task }) => {
      const user: TestUser = await system.newUser({ isStaff: who === 'staff' });
      await newBooking(system, user);
      const { code, output } = await runSchemathesis({
        url: system.url,
        token: user.token,
        examples: sized(4, 100),
        seed: 5,
        // What staff may do more: the rest is as for a user, and left to the full run.
        ...(who === 'staff' && !isFull() && { paths: '/api/(bookings|payment-intent)' }),
        timeoutMs,
      });
      task.meta.figure = /(\d+) generated/.exec(output)?.[0] ?? '';
      expect(code, output.slice(-20_000)).toBe(0);
    },
  );

  test('OP-09 the logout, which ends the session of the token, conforms as well', {
    timeout: timeoutMs,
  }, async () => {
    const { token } = await system.newUser();
    const run = { url: system.url, token, examples: 4, seed: 5, paths: '^/api/logout/', timeoutMs };
    const { code, output } = await runSchemathesis(run);
    expect(code, output.slice(-20_000)).toBe(0);
  });
});
