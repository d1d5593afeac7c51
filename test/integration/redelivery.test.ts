import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { bookingWorkflow } from '../../workflows/index.ts';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import type { PaymentEvent } from '../../domain/messages.ts';
import { bookingWorkflowId } from '../../domain/workflow-ids.ts';
import { newBooking } from '../factories.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { useTemporal } from '../setup/temporal.ts';

describe('a message that is carried again', () => {
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

  interface Held {
    id: number;
    ref: string;
  }

  async function book(): Promise<Held> {
    const booking = await newBooking(system, guest);
    const [{ ref }] = await system.db('bookings').where({ id: booking.id }).select('ref');
    const held = { id: booking.id, ref };
    await until(
      'the start',
      () =>
        handleOf(held)
          .describe()
          .catch(() => undefined),
      20_000,
    );
    return held;
  }

  const handleOf = ({ ref }: Held) => temporal.workflow.getHandle(bookingWorkflowId(ref));
  const statusOf = async ({ id }: Held): Promise<string> =>
    (await system.db('bookings').where({ id }).select('status'))[0].status;

  /** Pays and cancels a booking, so that its workflow has ended. */
  async function finish(held: Held) {
    const { body: intent } = await system.call('POST', '/api/payment-intent/', {
      token: guest.token,
      body: { booking_id: held.id },
    });
    await system.stripe.control.pay(intent.payment_intent_id);
    await until('the confirmation', async () => (await statusOf(held)) === 'confirmed', 20_000);
    await until(
      'the cancellation',
      async () => {
        const path = `/api/bookings/${held.id}/cancel/`;
        return (await system.call('POST', path, { token: guest.token })).status === 200;
      },
      20_000,
    );
    expect(await handleOf(held).result()).toBe('cancelled');
    const [payment] = await system.db('payments').where({ booking_id: held.id }).select('id', 'ref');
    return { intentId: intent.payment_intent_id, paymentId: payment.id, paymentRef: payment.ref };
  }

  async function runsOf(workflowId: string): Promise<string[]> {
    const runs: string[] = [];
    const query = `WorkflowId = "${workflowId}"`;
    for await (const { runId } of temporal.workflow.list({ query })) runs.push(runId);
    return runs;
  }

  /** Puts messages into the outbox as if they had never been sent, and waits until they are. */
  async function carryAgain(messages: { topic: string; payload: object }[]): Promise<void> {
    for (const { topic, payload } of messages) {
      await system.db('outbox').insert({ topic, priority: 1, payload: JSON.stringify(payload) });
    }
    const empty = async () => (await system.db('outbox').select('id')).length === 0;
    await until('the outbox to be empty', empty, 20_000);
  }

  const startAgain = ({ ref: bookingRef }: Held) => ({
    topic: 'start_booking',
    payload: { bookingRef, summary: 'again' },
  });

  test('TM-03 while the workflow runs: one run', async () => {
    const held = await book();
    await carryAgain([startAgain(held), startAgain(held), startAgain(held)]);
    const found = () => runsOf(bookingWorkflowId(held.ref));
    await until('the run in the list', async () => (await found()).length > 0);
    expect(await found()).toHaveLength(1);
  });

  test('TM-03 TM-14 after it has ended: no second run, and a payment told again decides nothing twice', async () => {
    const held = await book();
    const { intentId, paymentId, paymentRef } = await finish(held);
    const payload = { bookingRef: held.ref, paymentRef, intentId, verify: false };
    const event = { topic: 'payment', payload };
    await carryAgain([startAgain(held), event, event, startAgain(held), event]);

    const late = temporal.workflow.getHandle(`late-payment-${paymentRef}`);
    expect(await late.result()).toBe('cancelled');
    await until('both in the list', async () => (await runsOf(late.workflowId)).length > 0);
    expect(await runsOf(bookingWorkflowId(held.ref))).toHaveLength(1);
    expect(await runsOf(late.workflowId)).toHaveLength(1);
    expect(await system.db('refunds').where({ payment_id: paymentId })).toHaveLength(1);
    expect(await statusOf(held)).toBe('cancelled');
  }, 60_000);

  test('TM-14 where Temporal has forgotten the run: the new one reads the row, changes nothing and ends', async () => {
    const held = await book();
    const { intentId, paymentId, paymentRef } = await finish(held);
    const moves = () => system.db('booking_events').where({ booking_id: held.id }).orderBy('id');
    const before = await moves();
    // A server deletes what is past its retention when it likes; this is the start that it would then accept.
    const again = await temporal.workflow.signalWithStart<typeof bookingWorkflow, [PaymentEvent]>(
      'bookingWorkflow',
      {
        workflowId: bookingWorkflowId(held.ref),
        taskQueue: system.config.temporal.taskQueue,
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        args: [{ bookingRef: held.ref }],
        signal: paymentReceivedSignal,
        signalArgs: [{ bookingRef: held.ref, paymentRef, intentId, verify: true }],
      },
    );
    expect(await again.result()).toBe('cancelled');
    expect(await moves()).toEqual(before);
    expect(await system.db('refunds').where({ payment_id: paymentId })).toHaveLength(1);
  }, 60_000);
});
