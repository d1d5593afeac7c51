import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { paymentReceivedSignal } from '../../workflows/messages.ts';
import { bookingWorkflowId, refundWorkflowId } from '../../domain/workflow-ids.ts';
import { until } from '../setup/system.ts';
import { type PaidFor, type Payments, priceMinor, startPayments } from './payment-kit.ts';
import { connectTemporal, spawnWorker, type Temporal, type WorkerProcess } from './worker-process.ts';

/** temporal.api.enums.v1: PendingActivityState and TimeoutType; numbers, since the SDK's enums are types only. */
const activityStarted: number = 2;
const startToClose: number = 1;

/** The longest startToClose (15 s) and a back-off, and the start of another worker on a busy machine. */
const recoveryMs = 25_000;
/** Longer than the service waits for Stripe, so that the request completes after its sender is dead. */
const slowStripeMs = 8_000;

describe('a worker that is killed', () => {
  let payments: Payments;
  let temporal: Temporal;
  let worker: WorkerProcess;
  const start = () => {
    const { config, stripe } = payments.system;
    return spawnWorker(config, stripe.settings);
  };
  beforeAll(async () => {
    payments = await startPayments({ worker: false });
    temporal = await connectTemporal();
    worker = start();
    const isReady = async () => (await payments.call('GET', '/readyz')).body.worker === 'ok';
    await until('the worker', isReady, 40_000);
  });
  afterAll(async () => {
    await worker.kill();
    await temporal.stop(payments.system.config.temporal.taskQueue);
    await payments.stop();
  });

  const handleOf = ({ ref }: PaidFor) => temporal.workflow.getHandle(bookingWorkflowId(ref));
  async function refundOf({ id }: PaidFor) {
    const [refund] = await payments.refundsOf(id);
    return temporal.workflow.getHandle(refundWorkflowId(refund?.ref ?? ''));
  }
  type Handle = ReturnType<typeof handleOf>;

  const isAt = async (activity: string, handle: Handle) => {
    const { raw } = await handle.describe();
    return raw.pendingActivities?.some(
      ({ activityType, state }) => activityType?.name === activity && Number(state) === activityStarted,
    );
  };
  /** A worker's statement that waits for a lock. */
  const isLocked = async () => {
    const waiting = await rows(
      payments.db,
      `select 1 from pg_stat_activity
        where datname = current_database() and application_name = 'booking-worker' and wait_event_type = 'Lock'`,
    );
    return waiting.length > 0;
  };

  /** Blocks the confirmation of this booking by a lock. @returns releases it */
  async function lockConfirmation({ id }: PaidFor) {
    const locker = new pg.Client({ connectionString: payments.system.database.ownerUrl });
    await locker.connect();
    await locker.query(`
      create function wait_to_confirm() returns trigger language plpgsql as
        'begin perform pg_advisory_xact_lock(1); return new; end';
      create trigger wait_to_confirm before update on bookings
        for each row when (new.id = ${id} and new.status = 'confirmed') execute function wait_to_confirm();
      select pg_advisory_lock(1)`);
    return () => locker.end();
  }

  /** The booking is paid, but the only event does not match its payment, which makes the workflow ask Stripe. */
  async function payUnheard({ intentId }: PaidFor) {
    await payments.control.setWebhookBehaviour({ loseRate: 1 });
    const paid = await payments.control.pay(intentId);
    await payments.control.setWebhookBehaviour({ loseRate: 0 });
    const object = { ...paid, amount_received: 0 };
    return () => payments.control.deliverEvent({ type: 'payment_intent.succeeded', object });
  }

  /** Lets the hold end now, and its workflow know. */
  async function lapse({ id, ref, intentId }: PaidFor) {
    await rows(payments.db, 'update bookings set hold_expires_at = clock_timestamp() where id = ?', [id]);
    await handleOf({ ref } as PaidFor).signal(paymentReceivedSignal, {
      bookingRef: ref,
      intentId,
      verify: false,
    });
  }

  /** The failures after which the activities of a workflow were tried again, as far as its history keeps them. */
  async function timeoutsOf(handle: Handle): Promise<number[]> {
    const { events } = await handle.fetchHistory();
    return (events ?? []).flatMap(
      ({ activityTaskStartedEventAttributes: started }) =>
        started?.lastFailure?.timeoutFailureInfo?.timeoutType ?? [],
    );
  }

  const stateOf = async ({ id, intentId }: PaidFor) => {
    const intent = await payments.ledgerOf(intentId);
    return {
      status: (await payments.facts(id)).status,
      refunds: (await payments.refundsOf(id)).map(({ status }) => status),
      intent: intent.status,
      charged: intent.chargedMinor,
      givenBack: intent.refunds.map(({ amount }) => amount),
      moves: await payments.moves(id),
    };
  };

  test('TM-07 with five bookings at awkward points leaves each in its one right state, and its money too', async () => {
    const refunded = await payments.holdAndPay();
    const asked = await payments.holdToPay();
    const lapsed = await payments.holdToPay();
    const paid = await payments.holdToPay();
    const closed = await payments.holdToPay();
    await payments.untilCarried();
    const deliverMismatch = await payUnheard(asked);

    const unlock = await lockConfirmation(paid);
    await payments.control.setLatency(slowStripeMs);
    await deliverMismatch();
    await payments.control.pay(paid.intentId);
    await lapse(lapsed);
    for (const { id } of [refunded, closed]) expect((await payments.cancel(id)).status).toBe(200);
    const refund = await refundOf(refunded);
    await until('all to be stuck', async () => {
      const stuck = await Promise.all([
        isLocked(),
        isAt('verifyPayment', handleOf(asked)),
        isAt('settleHold', handleOf(lapsed)),
        isAt('closePayments', handleOf(closed)),
        isAt('sendRefund', refund).catch(() => false),
      ]);
      return stuck.every(Boolean);
    });
    await worker.kill();
    await unlock();
    await payments.control.setLatency(0);
    const killedAt = Date.now();
    worker = start();

    const all = [asked, paid, lapsed, closed, refunded];
    const ends = ['confirmed', 'confirmed', 'expired', 'cancelled', 'cancelled'];
    await until(
      'every booking at its end, its money with it',
      async () => {
        const states = await Promise.all(all.map(stateOf));
        const settled = states.every((state, index) => state.status === ends[index]);
        return settled && states.at(-1)?.refunds.join() === 'succeeded';
      },
      recoveryMs,
    );
    const over = [handleOf(lapsed), handleOf(closed), handleOf(refunded), refund];
    const left = killedAt + recoveryMs - Date.now();
    await until(
      'the workflows of what is over to end',
      async () => {
        const found = await Promise.all(over.map((handle) => handle.describe()));
        return found.every(({ status }) => status.name === 'COMPLETED');
      },
      Math.max(left, 1_000),
    );

    const stay = {
      status: 'confirmed',
      refunds: [],
      intent: 'succeeded',
      charged: priceMinor,
      givenBack: [],
    };
    const gone = { refunds: [], intent: 'canceled', charged: 0, givenBack: [] };
    const back = { status: 'cancelled', refunds: ['succeeded'], givenBack: [priceMinor] };
    expect(await Promise.all(all.map(stateOf))).toEqual([
      { ...stay, moves: ['pending', 'confirmed'] },
      { ...stay, moves: ['pending', 'confirmed'] },
      { ...gone, status: 'expired', moves: ['pending', 'expired'] },
      { ...gone, status: 'cancelled', moves: ['pending', 'cancelled'] },
      { ...stay, ...back, moves: ['pending', 'confirmed', 'cancelled'] },
    ]);
    for (const { intentId } of [lapsed, closed]) {
      const ended = (await payments.eventsOf([intentId])).map(({ type }) => type);
      expect(ended.filter((type) => type === 'payment_intent.canceled')).toHaveLength(1);
    }
    for (const one of [asked, paid]) expect((await handleOf(one).describe()).status.name).toBe('RUNNING');
    // Checks that the retries were caused by the kill, not by Stripe's slowness.
    for (const handle of [handleOf(asked), handleOf(lapsed), handleOf(closed), refund]) {
      expect((await timeoutsOf(handle)).map(Number)).toContain(startToClose);
    }
  }, 90_000);
});
