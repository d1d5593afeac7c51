import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { newBooking, requestIntent } from '../factories.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { useTemporal } from '../setup/temporal.ts';

describe('the activities of a workflow', () => {
  let system: System;
  let guest: TestUser;
  const client = useTemporal();
  beforeAll(async () => {
    system = await startSystem({ settings: { HOLD_MINUTES: '0.05' } });
    guest = await system.newUser();
  });
  afterAll(async () => {
    await system.stop();
  });

  async function holdAndOpenIntent() {
    const booking = await newBooking(system, guest);
    const intent = await requestIntent(system, guest, booking.id);
    const [row] = await rows<{ ref: string }>(system.db, 'select ref from bookings where id = ?', [
      booking.id,
    ]);
    return {
      id: booking.id as number,
      ref: row?.ref ?? '',
      intentId: intent.body.payment_intent_id as string,
    };
  }

  async function scheduled(workflowId: string) {
    const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
    return (events ?? []).flatMap((event) => event.activityTaskScheduledEventAttributes ?? []);
  }

  test('TM-08 each has a time of its own to finish, at most 15 s, and retries at a bounded pace', async () => {
    const { ref } = await holdAndOpenIntent();
    const workflowId = `booking-${ref}`;
    await until('the end', async () => {
      const state = await client.workflow
        .getHandle(workflowId)
        .describe()
        .catch(() => undefined);
      return state?.status.name === 'COMPLETED';
    });
    const activities = await scheduled(workflowId);
    expect(activities.map((activity) => activity.activityType?.name)).toContain('settleHold');
    for (const { startToCloseTimeout, retryPolicy } of activities) {
      expect(Number(startToCloseTimeout?.seconds)).toBeGreaterThan(0);
      expect(Number(startToCloseTimeout?.seconds)).toBeLessThanOrEqual(15);
      expect(Number(retryPolicy?.maximumInterval?.seconds)).toBeLessThanOrEqual(30);
    }
  });

  test('TM-08 a refund that Stripe refuses for good is tried once and then flagged', async () => {
    const { id, intentId } = await holdAndOpenIntent();
    await system.stripe.control.pay(intentId);
    const show = async () => (await system.call('GET', `/api/bookings/${id}/`, { token: guest.token })).body;
    await until('the confirmation', async () => (await show()).status === 'confirmed');
    const refusal = { code: 'charge_not_refundable' };
    await system.stripe.control.failNext({ kind: '400', refusal, match: { path: '/v1/refunds$' } });
    await system.call('POST', `/api/bookings/${id}/cancel/`, { token: guest.token });
    const flags = () =>
      rows(system.db, `select 1 from flags where kind = 'refund_stuck' and booking_id = ?`, [id]);
    await until('the flag', async () => (await flags()).length === 1);
    const [refund] = await rows<{ ref: string }>(system.db, 'select ref from refunds where booking_id = ?', [
      id,
    ]);
    const { events } = await client.workflow.getHandle(`refund-${refund?.ref}`).fetchHistory();
    const started = (events ?? []).flatMap((event) => event.activityTaskStartedEventAttributes ?? []);
    expect(started.map(({ attempt }) => attempt)).toEqual([1]);
  });
});
