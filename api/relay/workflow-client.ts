import { WithStartWorkflowOperation } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/common';
import type { Config } from '../../config.ts';
import type { BookingStatus } from '../../domain/booking.ts';
import type { bookingWorkflow, latePaymentWorkflow, refundWorkflow } from '../../workflows/index.ts';
import {
  bookingChangedSignal,
  bookingWorkflowId,
  cancelUpdate,
  cancelUpdateId,
  latePaymentWorkflowId,
  nextWorkflowId,
  paymentNewsSignal,
  refundWorkflowId,
  type BookingChange,
  type CancelRequest,
  type CancelResult,
  type PaymentNews,
  type RefundInput,
} from '../../workflows/messages.ts';
import { createTemporalConnection, type TemporalConnection } from './temporal-connection.ts';

/** What the API says to workflows, one function a message. */
export function createWorkflowClient(settings: Config['temporal']) {
  const temporal = createTemporalConnection(settings);
  const { withDeadline, hasWorker, close } = temporal;
  return {
    /** Starts a booking's workflow, once ever. `summary` is shown in Temporal's UI. */
    startBooking: (bookingRef: string, summary: string): Promise<void> =>
      withDeadline(() => startBooking(temporal, bookingRef, summary)),
    /** `messageId` names the workflow of a late payment that has no row. */
    signalPayment: (payment: PaymentNews, messageId: string): Promise<void> =>
      withDeadline(() => signalPayment(temporal, payment, messageId)),
    signalChange: (change: BookingChange): Promise<void> =>
      withDeadline(() => signalChange(temporal, change)),
    startRefund: (refund: RefundInput, messageId: string): Promise<void> =>
      withDeadline(() => startRefund(temporal, refund, messageId)),
    /** @throws a gRPC or update error when there is no answer in time: the outcome is then unknown */
    cancelBooking: (booking: BookingToCancel, request: CancelRequest): Promise<CancelResult> =>
      withDeadline(() => cancelBooking(temporal, booking, request)),
    hasWorker,
    close,
  };
}

export type WorkflowClient = ReturnType<typeof createWorkflowClient>;

interface BookingToCancel {
  ref: string;
  status: BookingStatus;
  /** The workflow that owns the booking. */
  workflowId: string;
  /** The payment that owner decides, if it is the workflow of a late payment. */
  paymentNews?: PaymentNews;
}

/** The options of every start of a booking's workflow. */
async function bookingStart({ statusAttribute, taskQueue }: TemporalConnection, bookingRef: string) {
  return {
    workflowId: bookingWorkflowId(bookingRef),
    taskQueue,
    args: [{ bookingRef }] as [{ bookingRef: string }],
    // A run that ended well is never repeated; one that was terminated or has failed is replaced.
    workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY' as const,
    ...(await statusAttribute.startOptions()),
  };
}

/** @returns false when the workflow is running or has ended well: it is started once, ever */
async function startOnce(start: () => Promise<unknown>): Promise<boolean> {
  try {
    await start();
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

async function startBooking(temporal: TemporalConnection, bookingRef: string, summary: string) {
  const options = {
    ...(await bookingStart(temporal, bookingRef)),
    ...(summary && { staticSummary: summary }),
  };
  await startOnce(() => temporal.workflow.start<typeof bookingWorkflow>('bookingWorkflow', options));
}

/**
 * Signals a payment to its booking's workflow, which is started if need be. If that has ended, the late-payment
 * workflow decides; if that has ended too, another one.
 */
async function signalPayment(temporal: TemporalConnection, payment: PaymentNews, messageId: string) {
  const { workflow } = temporal;
  const options = {
    ...(await bookingStart(temporal, payment.bookingRef)),
    signal: paymentNewsSignal,
    signalArgs: [payment] as [PaymentNews],
  };
  const isSignalled = await startOnce(() =>
    workflow.signalWithStart<typeof bookingWorkflow, [PaymentNews]>('bookingWorkflow', options),
  );
  if (isSignalled) return;
  const lateId = latePaymentWorkflowId(payment.paymentRef ?? `${payment.intentId}-${messageId}`);
  for (const workflowId of [lateId, nextWorkflowId(lateId, messageId)]) {
    const late = {
      ...options,
      workflowId,
      args: [payment] as [PaymentNews],
      staticSummary: 'Money for a booking that was over',
    };
    const isTaken = await startOnce(() =>
      workflow.signalWithStart<typeof latePaymentWorkflow, [PaymentNews]>('latePaymentWorkflow', late),
    );
    if (isTaken) return;
  }
}

/**
 * Signals to the workflow that owns a booking that its row has changed. A booking's own workflow is started if need
 * be; the workflow of a late payment that has ended needs no signal.
 */
async function signalChange(temporal: TemporalConnection, { bookingRef, workflowId }: BookingChange) {
  const { workflow } = temporal;
  if (workflowId === bookingWorkflowId(bookingRef)) {
    const start = await bookingStart(temporal, bookingRef);
    const options = { ...start, signal: bookingChangedSignal, signalArgs: [] as [] };
    await startOnce(() => workflow.signalWithStart<typeof bookingWorkflow, []>('bookingWorkflow', options));
    return;
  }
  try {
    await workflow.getHandle(workflowId).signal(bookingChangedSignal);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/**
 * Starts a refund, unless its workflow runs. A run that ended well believed the refund sent; if there is a message all
 * the same, as after a database was restored, another run looks again.
 */
async function startRefund(
  { workflow, taskQueue }: TemporalConnection,
  refund: RefundInput,
  messageId: string,
) {
  const start = (id: string) =>
    startOnce(() =>
      workflow.start<typeof refundWorkflow>('refundWorkflow', {
        workflowId: id,
        taskQueue,
        args: [refund],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        staticSummary: 'Sends money back',
      }),
    );
  const workflowId = refundWorkflowId(refund.refundRef);
  if (await start(workflowId)) return;
  const { status } = await workflow.getHandle(workflowId).describe();
  if (status.name !== 'RUNNING') await start(nextWorkflowId(workflowId, messageId));
}

/**
 * Asks the workflow that owns a booking to cancel it, starting the workflow if it was lost, and waits for its answer.
 * A repeated request gets the same answer while the booking has the status that the caller saw.
 */
async function cancelBooking(
  temporal: TemporalConnection,
  { ref, status, workflowId, paymentNews }: BookingToCancel,
  request: CancelRequest,
): Promise<CancelResult> {
  const shared = {
    ...(await bookingStart(temporal, ref)),
    workflowId,
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
  };
  const startWorkflowOperation = paymentNews
    ? new WithStartWorkflowOperation<typeof latePaymentWorkflow>('latePaymentWorkflow', {
        ...shared,
        args: [paymentNews],
      })
    : new WithStartWorkflowOperation<typeof bookingWorkflow>('bookingWorkflow', shared);
  return temporal.workflow.executeUpdateWithStart(cancelUpdate, {
    updateId: cancelUpdateId(request, status),
    args: [{ ...request, seen: status }],
    startWorkflowOperation: startWorkflowOperation as WithStartWorkflowOperation<typeof bookingWorkflow>,
  });
}
