import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, makeTelemetryFilterString, Runtime, Worker } from '@temporalio/worker';
import { bundleWorkflows } from '../../worker/bundle.ts';
import type {
  bookingWorkflow,
  latePaymentWorkflow,
  reconcileWorkflow,
  refundWorkflow,
} from '../../workflows/index.ts';
import { bookingStatusAttribute, cancelUpdate, paymentReceivedSignal } from '../../workflows/messages.ts';
import type { CancelRequest, PaymentEvent } from '../../domain/messages.ts';
import { bookingWorkflowId, latePaymentWorkflowId, refundWorkflowId } from '../../domain/workflow-ids.ts';
import { createFakeActivities, type FakeBooking, type FakePayment } from './fake-activities.ts';

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

export const byGuest: CancelRequest = { actor: 'user:7', byStaff: false, refund: false };
export const byStaff: CancelRequest = { actor: 'staff:1', byStaff: true, refund: true };

const statusKey = defineSearchAttributeKey(bookingStatusAttribute, 'KEYWORD');

/** What the saved histories show instead of `pid@host`. */
const identity = 'test';

/**
 * Temporal's time-skipping server, the fake activities on its clock, and a worker that runs the real workflows.
 * The clock is one: open one stage a process, run its tests one after the other, and wait only by `sleep` or by a
 * result.
 *
 * @param options.cache false: the worker forgets a workflow after every task and replays it for the next, so that
 *   another worker can take over at once
 */
export async function openStage(options: { testServerPath: string; cache?: boolean; code?: string }) {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
  });
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: options.testServerPath } },
    client: { identity },
  });
  const keyword = 2;
  await env.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { [bookingStatusAttribute]: keyword },
  });
  const code = options.code ?? (await bundleWorkflows());
  const skew = { databaseBehindMs: 0 };
  const fake = createFakeActivities(async () => (await env.currentTimeMs()) - skew.databaseBehindMs);
  const taskQueue = 'stage';
  const { workflow } = env.client;
  let worker = await startWorker();

  async function startWorker() {
    const made = await Worker.create({
      connection: env.nativeConnection,
      taskQueue,
      identity,
      workflowBundle: { code },
      activities: fake.activities,
      maxCachedWorkflows: options.cache === false ? 0 : 100,
    });
    const running = made.run();
    return {
      async stop(): Promise<void> {
        made.shutdown();
        await running;
      },
    };
  }

  /** A hold of half an hour on a stay of one hour a week from now, unless told otherwise. */
  async function newBooking(row: Partial<FakeBooking> = {}): Promise<FakeBooking> {
    const now = await env.currentTimeMs();
    const ref = randomUUID();
    const holdExpiresAtMs = row.holdExpiresAtMs ?? now + 30 * minuteMs;
    const booking: FakeBooking = {
      ref,
      status: 'pending',
      holdExpiresAtMs,
      settleAtMs: holdExpiresAtMs,
      startsAtMs: now + 7 * dayMs,
      endsAtMs: now + 7 * dayMs + hourMs,
      workflowId: bookingWorkflowId(ref),
      slotTaken: false,
      payments: [],
      moves: [],
      ...row,
    };
    fake.bookings.set(ref, booking);
    return booking;
  }

  function newPayment(booking: FakeBooking, atStripe: FakePayment['atStripe'] = 'open'): FakePayment {
    const payment: FakePayment = {
      intentId: `pi_${booking.payments.length + 1}`,
      ref: randomUUID(),
      atStripe,
    };
    booking.payments.push(payment);
    return payment;
  }

  const startOptions = (workflowId: string, attribute = true) => ({
    workflowId,
    taskQueue,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY' as const,
    ...(attribute && {
      typedSearchAttributes: new TypedSearchAttributes([{ key: statusKey, value: 'pending' }]),
    }),
  });

  return {
    env,
    fake,
    skew,
    newBooking,
    newPayment,
    startOptions,
    start: ({ ref: bookingRef }: FakeBooking, options: { attribute?: boolean } = {}) =>
      workflow.start<typeof bookingWorkflow>('bookingWorkflow', {
        ...startOptions(bookingWorkflowId(bookingRef), options.attribute),
        args: [{ bookingRef }],
      }),
    startWithEvent: (booking: FakeBooking, event: PaymentEvent) =>
      workflow.signalWithStart<typeof bookingWorkflow, [PaymentEvent]>('bookingWorkflow', {
        ...startOptions(bookingWorkflowId(booking.ref)),
        args: [{ bookingRef: booking.ref }],
        signal: paymentReceivedSignal,
        signalArgs: [event],
      }),
    startLate: (event: PaymentEvent) =>
      workflow.start<typeof latePaymentWorkflow>('latePaymentWorkflow', {
        ...startOptions(latePaymentWorkflowId(event.paymentRef ?? event.intentId)),
        args: [event],
      }),
    startRefund: (booking: FakeBooking, { ref: refundRef }: FakePayment) =>
      workflow.start<typeof refundWorkflow>('refundWorkflow', {
        ...startOptions(refundWorkflowId(refundRef), false),
        args: [{ bookingRef: booking.ref, refundRef }],
      }),
    startReconciler: () =>
      workflow.start<typeof reconcileWorkflow>('reconcileWorkflow', {
        ...startOptions(`reconcile-${randomUUID()}`, false),
        args: [],
      }),
    /** As the API cancels: starts the workflow if it was lost. */
    cancelWithStart: ({ ref: bookingRef }: FakeBooking, request: CancelRequest) =>
      workflow.executeUpdateWithStart(cancelUpdate, {
        args: [request],
        startWorkflowOperation: new WithStartWorkflowOperation<typeof bookingWorkflow>('bookingWorkflow', {
          ...startOptions(bookingWorkflowId(bookingRef)),
          workflowIdConflictPolicy: 'USE_EXISTING',
          args: [{ bookingRef }],
        }),
      }),
    cancel: (handle: WorkflowHandle, request: CancelRequest, updateId?: string) =>
      handle.executeUpdate(cancelUpdate, { args: [request], ...(updateId && { updateId }) }),
    handleOf: ({ ref }: FakeBooking) => workflow.getHandle<typeof bookingWorkflow>(bookingWorkflowId(ref)),
    /** What an activity throws where no retry can help. */
    finalRefusal: () => ApplicationFailure.nonRetryable('Stripe refuses', 'charge_already_refunded'),
    /** Lets the server's clock run on, timers fire, and activities be retried. */
    sleep: (ms: number) => env.sleep(ms),
    now: () => env.currentTimeMs(),
    stopWorker: () => worker.stop(),
    startWorker: async () => {
      worker = await startWorker();
    },
    async close(): Promise<void> {
      try {
        await worker.stop();
      } finally {
        // Also after a test that has stopped its worker: the server would outlive us.
        await env.teardown();
      }
    },
  };
}

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** What the relay says of a payment. */
export function eventOf(booking: FakeBooking, payment: FakePayment, verify = false): PaymentEvent {
  return { bookingRef: booking.ref, intentId: payment.intentId, paymentRef: payment.ref, verify };
}
