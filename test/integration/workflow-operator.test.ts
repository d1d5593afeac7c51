import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { bookingStatusAttribute, holdQuery } from '../../workflows/messages.ts';
import { bookingWorkflowId } from '../../domain/workflow-ids.ts';
import { newBooking } from '../factories.ts';
import { dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { useTemporal } from '../setup/temporal.ts';

/** What a guest tells us and Temporal must never learn. */
const request = 'a quiet table, the peanut allergy of Ms Okonkwo';

describe('what an operator finds in Temporal', () => {
  let system: System;
  let guest: TestUser;
  const temporal = useTemporal();
  beforeAll(async () => {
    system = await startSystem();
    guest = await system.newUser();
  });
  afterAll(async () => {
    await system.stop();
  });

  async function book() {
    const roomId = await system.newRoom();
    const body = await newBooking(system, guest, { room_id: roomId, special_requests: request });
    const [row] = await system.db('bookings').where({ id: body.id }).select('ref');
    const handle = temporal.workflow.getHandle(bookingWorkflowId(row.ref));
    await until('the start', () => handle.describe().catch(() => undefined));
    return { id: Number(body.id), roomId, handle, expiresAt: Date.parse(body.hold_expires_at) };
  }

  async function pay(bookingId: number) {
    const { body } = await system.call('POST', '/api/payment-intent/', {
      token: guest.token,
      body: { booking_id: bookingId },
    });
    await system.stripe.control.pay(body.payment_intent_id);
    await until('the confirmation', async () => {
      const [row] = await system.db('bookings').where({ id: bookingId }).select('status');
      return row.status === 'confirmed';
    });
    return { clientSecret: body.client_secret };
  }

  test('a booking by its ref, and in one line the room and the time', async () => {
    const { handle, roomId } = await book();
    const description = await handle.describe();
    expect(description.workflowId).toMatch(/^booking-[0-9a-f-]{36}$/);
    expect(description.type).toBe('bookingWorkflow');
    expect(await description.staticSummary()).toBe(`Room ${roomId}, ${dayAhead(7)} 09:00–10:00 UTC`);
    expect(description.memo ?? {}).toEqual({});
  });

  test('the holds, and those that are confirmed, by their status', async () => {
    const held = await book();
    const paid = await book();
    await pay(paid.id);
    const find = async (status: string, workflowId: string) => {
      const query = `${bookingStatusAttribute} = "${status}" and WorkflowId = "${workflowId}"`;
      for await (const found of temporal.workflow.list({ query })) return found;
      return undefined;
    };
    await until('the hold in the list', () => find('pending', held.handle.workflowId));
    const shown = await until('the stay in the list', () => find('confirmed', paid.handle.workflowId));
    expect(shown.status.name).toBe('RUNNING');
    expect(await find('pending', paid.handle.workflowId)).toBeUndefined();
  });

  test('the seconds that a hold has left, running down', async () => {
    const { handle, expiresAt } = await book();
    const ask = () => handle.query(holdQuery);
    await until('the row to be read', async () => (await ask()).status === 'pending');
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const { secondsLeft } = await ask();
    const expected = (expiresAt - Date.now()) / 1000;
    expect(Math.abs(secondsLeft - expected)).toBeLessThan(2);
    expect(secondsLeft).toBeLessThanOrEqual(1_798);
  });

  test('TM-04 no person: not in ids, payloads, attributes, summaries or failures', async () => {
    const { id, handle } = await book();
    const { clientSecret } = await pay(id);
    await system.call('POST', `/api/bookings/${id}/cancel/`, { token: guest.token });
    const [row] = await rows<{ ref: string }>(system.db, 'select ref from refunds where booking_id = ?', [
      id,
    ]);
    const refund = temporal.workflow.getHandle(`refund-${row?.ref}`);
    await until('the refund', () =>
      refund
        .describe()
        .then(({ status }) => status.name === 'COMPLETED')
        .catch(() => undefined),
    );
    await handle.result();

    const texts: string[] = [];
    for (const run of [handle, refund]) {
      const { raw } = await run.describe();
      texts.push(readable(raw), readable(await run.fetchHistory()));
    }
    const text = texts.join('\n');
    // The payloads could be read, so a secret in them would be seen.
    expect(text).toContain(`"bookingRef":"${handle.workflowId.slice('booking-'.length)}"`);
    expect(text).toContain('09:00–10:00');
    expect(clientSecret).toMatch(/_secret_/);
    for (const secret of [guest.email, clientSecret, request, 'Okonkwo', '_secret_', guest.token]) {
      expect(text).not.toContain(secret);
    }
    expect(text).not.toMatch(/[\w.+-]+@example\.com/);
  });

  test('TM-14 for longer than Stripe delivers again: finished runs are kept for 30 days', async () => {
    const { config } = await temporal.connection.workflowService.describeNamespace({
      namespace: system.config.temporal.namespace,
    });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(30 * 86_400);
  });
});

/** Everything in a message of Temporal's as text, the bytes of its payloads too. */
function readable(message: unknown): string {
  const seen: string[] = [];
  const visit = (value: unknown): void => {
    if (value instanceof Uint8Array) seen.push(Buffer.from(value).toString('utf8'));
    else if (typeof value === 'string') seen.push(value);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        seen.push(key);
        visit(inner);
      }
    }
  };
  visit(message);
  return seen.join('\n');
}
