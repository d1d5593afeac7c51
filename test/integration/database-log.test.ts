import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { expectProblem, someAddress } from '../factories.ts';
import { startSystem, type System, until } from '../setup/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem({ worker: false });
});
afterAll(() => system.stop());

const postgresLog = () => readFileSync(inject('postgres').log, 'utf8');

/** Postgres writes its log in order: once this entry is there, so are all earlier ones. */
async function markLog(): Promise<void> {
  const mark = randomUUID();
  await rows(system.db, `select '${mark}'::integer`).catch(() => {});
  await until('the mark in the log', async () => postgresLog().includes(mark));
}

test('Postgres’ own log does not get the address of a guest, not when it is taken, nor in a race for it', async () => {
  const email = `guest-${randomUUID()}@example.com`;
  const password = 'correct horse battery';
  const register = () =>
    system.call('POST', '/api/register/', {
      body: { email, password, confirm_password: password },
      headers: { 'X-Forwarded-For': someAddress() },
    });
  const answers = await Promise.all(Array.from({ length: 6 }, register));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
  expectProblem(await register(), 'email_taken');
  await markLog();
  expect(postgresLog()).not.toContain(email);
});
