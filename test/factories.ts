import { randomInt } from 'node:crypto';
import type pg from 'pg';
import { expect } from 'vitest';
import { withClient } from '../dev/databases.ts';
import { type ProblemCode, problems } from '../domain/problems.ts';
import { type Answer, dayAhead, type System, type TestUser } from './setup/system.ts';

/** The body of a booking that every test room takes: a week ahead, nine to ten, two guests. */
export function bookingBody(roomId: number, differing: Record<string, unknown> = {}) {
  return {
    room_id: roomId,
    booking_date: dayAhead(7),
    start_time: '09:00',
    end_time: '10:00',
    guest_count: 2,
    ...differing,
  };
}

/** Requests a slot, by default of a new room, where no other booking is in the way. */
export async function requestBooking(
  system: System,
  user: TestUser,
  differing: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const roomId = differing['room_id'] ?? (await system.newRoom());
  const body = bookingBody(roomId as number, differing);
  return system.call('POST', '/api/bookings/', { token: user.token, body, headers });
}

/** A new pending booking. @throws when it was refused */
export async function newBooking(
  system: System,
  user: TestUser,
  differing: Record<string, unknown> = {},
): Promise<Answer['body']> {
  const answer = await requestBooking(system, user, differing);
  if (answer.status !== 201) throw new Error(`refused: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Asks for the PaymentIntent of a booking. */
export function requestIntent(
  system: System,
  user: TestUser,
  bookingId: number,
  differing: Record<string, unknown> = {},
): Promise<Answer> {
  const body = { booking_id: bookingId, ...differing };
  return system.call('POST', '/api/payment-intent/', { token: user.token, body });
}

export async function showBooking(system: System, user: TestUser, id: number): Promise<Answer['body']> {
  return (await system.call('GET', `/api/bookings/${id}/`, { token: user.token })).body;
}

/** A refusal as every refusal must be: RFC 9457, its code from the catalogue, the title again for older clients. */
export function expectProblem(answer: Answer, code: ProblemCode, field?: string): void {
  const { status, title } = problems[code];
  expect(answer.body).toMatchObject({ code, status, title, error: title });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('Content-Type')).toMatch(/^application\/problem\+json(; charset=utf-8)?$/);
  expect(answer.headers.get('Cache-Control')).toBe('no-store');
  expect(answer.body.type).toBe(`/docs/problems#${code}`);
  expect(answer.body.instance).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
  expect(answer.body.detail).toEqual(expect.stringMatching(/./));
  expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|\.ts:\d|\bselect\b|postgres:\/\//);
  const fields = (answer.body.errors ?? []) as { field: string; message: string }[];
  for (const error of fields) {
    expect(error).toEqual({ field: expect.any(String), message: expect.stringMatching(/./) });
  }
  if (field !== undefined) expect(fields.map((error) => error.field)).toContain(field);
}

/** An unused address (RFC 5737, RFC 2544), so that tests do not share rate limits. */
export const someAddress = (): string => `198.18.${randomInt(256)}.${randomInt(1, 255)}`;

/** The next last Sunday of March (3) or October (10), when the clocks of the European Union change, `YYYY-MM-DD`. */
export function nextClockChange(month: 3 | 10): string {
  const now = new Date();
  for (let year = now.getUTCFullYear(); ; year++) {
    const lastDay = new Date(Date.UTC(year, month, 0));
    const sunday = new Date(lastDay.getTime() - lastDay.getUTCDay() * 86_400_000);
    if (sunday.getTime() > now.getTime() + 86_400_000) return sunday.toISOString().slice(0, 10);
  }
}

/** The first cookie that an answer sets, as `name=value` and its attributes; undefined if it sets none. */
export function cookieOf(answer: Answer): { pair: string; value: string; attributes: string[] } | undefined {
  return cookiesOf(answer)[0];
}

/** Every cookie that an answer sets, in its order. */
export function cookiesOf(answer: { headers: Headers }) {
  return answer.headers.getSetCookie().map((line) => {
    const [pair = '', ...attributes] = line.split('; ');
    return { pair, value: pair.slice(pair.indexOf('=') + 1), attributes };
  });
}

/** The device cookie that an answer sets, as a browser sends it back. */
export function deviceOf(answer: { headers: Headers }): string {
  return cookiesOf(answer).find(({ pair }) => /^(__Host-)?device=/.test(pair))?.pair ?? '';
}

/** Queries the system's database as the owner of its schema, bypassing the service. */
export const asOwner = <T>(system: System, work: (owner: pg.Client) => Promise<T>): Promise<T> =>
  withClient(system.database.ownerUrl, work);
