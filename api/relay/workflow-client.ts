import { type Client, WithStartWorkflowOperation } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/common';
import type { Config } from '../../config.ts';
import type { BookingStatus } from '../../domain/booking.ts';
import type { bookingWorkflow, latePaymentWorkflow, refundWorkflow } from '../../workflows/index.ts';
import type {
  BookingChange,
  CancelRequest,
  CancelResult,
  PaymentEvent,
  RefundInput,
} from '../../domain/messages.ts';
import {
  bookingWorkflowId,
  latePaymentWorkflowId,
  nextWorkflowId,
  refundWorkflowId,
} from '../../domain/workflow-ids.ts';
import {
  bookingChangedSignal,
  cancelUpdate,
  cancelUpdateId,
  paymentReceivedSignal,
} from '../../workflows/messages.ts';
import { createStatusAttribute, type StatusAttribute } from './status-attribute.ts';
import { createTemporalConnection } from './temporal-connection.ts';

/** A worker asks Temporal for work at least once a minute. */
const workerSilentSeconds = 90;
const healthMs = 800;

/** The API's calls to workflows, one function for each message. Every call has a deadline. */
export function createWorkflowClient(settings: Config['temporal']) {
  const { namespace, taskQueue } = settings;
  const temporal = createTemporalConnection(settings);
  const statusAttribute = createStatusAttribute(namespace);

  const withDeadline = <T>(call: (context: CallContext) => Promise<T>): Promise<T> =>
    temporal.withDeadline(({ connection, workflow }) =>
      call({
        workflow,
        taskQueue,
        statusOptions: () => statusAttribute.startOptions(connection),
      }).catch((error: unknown) => statusAttribute.rethrowAsOutage(error, connection)),
    );

  return {
    /** Starts a booking's workflow, once ever. `summary` is shown in Temporal's UI. */
    startBooking: (bookingRef: string, summary: string): Promise<void> =>
      withDeadline((context) => startBooking(context, bookingRef, summary)),
    /** `messageId` names the workflow of a late payment that has no row. */
    signalPayment: (event: PaymentEvent, messageId: string): Promise<void> =>
      withDeadline((context) => signalPayment(context, event, messageId)),
    signalChange: (change: BookingChange): Promise<void> =>
      withDeadline((context) => signalChange(context, change)),
    startRefund: (refund: RefundInput, messageId: string): Promise<void> =>
      withDeadline((context) => startRefund(context, refund, messageId)),
    /** @throws a gRPC or update error when there is no answer in time: the outcome is then unknown */
    cancelBooking: (booking: BookingToCancel, request: CancelRequest): Promise<CancelResult> =>
      withDeadline((context) => cancelBooking(context, booking, request)),

    /**
     * Has a worker asked Temporal for work lately?
     * @throws a gRPC error when Temporal does not answer
     */
    async hasWorker(): Promise<boolean> {
      const queue = { namespace, taskQueue: { name: taskQueue } };
      const { pollers } = await temporal.withDeadline(
        ({ connection }) => connection.workflowService.describeTaskQueue(queue),
        healthMs,
      );
      const lately = Date.now() / 1_000 - workerSilentSeconds;
      return pollers.some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) > lately);
    },

    close: temporal.close,
  };
}

export type WorkflowClient = ReturnType<typeof createWorkflowClient>;

/** The dependencies of a call. Its deadline applies to the connection that this client uses. */
interface CallContext {
  workflow: Client['workflow'];
  taskQueue: string;
  /** The search attributes that a booking's workflow starts with; none if the namespace does not know them. */
  statusOptions: () => ReturnType<StatusAttribute['startOptions']>;
}

interface BookingToCancel {
  ref: string;
  status: BookingStatus;
  /** The workflow that owns the booking. */
  workflowId: string;
  /** The payment that owner decides, if it is the workflow of a late payment. */
  latePayment?: PaymentEvent;
}

/** The options of every start of a booking's workflow. */
async function bookingStart({ statusOptions, taskQueue }: CallContext, bookingRef: string) {
  return {
    workflowId: bookingWorkflowId(bookingRef),
    taskQueue,
    args: [{ bookingRef }] as [{ bookingRef: string }],
    // A run that ended well is never repeated; one that was terminated or has failed is replaced.
    workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY' as const,
    ...(await statusOptions()),
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

async function startBooking(context: CallContext, bookingRef: string, summary: string) {
  const options = {
    ...(await bookingStart(context, bookingRef)),
    ...(summary && { staticSummary: summary }),
  };
  await startOnce(() => context.workflow.start<typeof bookingWorkflow>('bookingWorkflow', options));
}

/**
 * Signals a payment to its booking's workflow, which is started if need be. If that has ended, the late-payment
 * workflow decides; if that has ended too, another one.
 */
async function signalPayment(context: CallContext, event: PaymentEvent, messageId: string) {
  const { workflow } = context;
  const options = {
    ...(await bookingStart(context, event.bookingRef)),
    signal: paymentReceivedSignal,
    signalArgs: [event] as [PaymentEvent],
  };
  const isSignalled = await startOnce(() =>
    workflow.signalWithStart<typeof bookingWorkflow, [PaymentEvent]>('bookingWorkflow', options),
  );
  if (isSignalled) return;
  const lateId = latePaymentWorkflowId(event.paymentRef ?? `${event.intentId}-${messageId}`);
  for (const workflowId of [lateId, nextWorkflowId(lateId, messageId)]) {
    const late = {
      ...options,
      workflowId,
      args: [event] as [PaymentEvent],
      staticSummary: 'Money for a booking that was over',
    };
    const isTaken = await startOnce(() =>
      workflow.signalWithStart<typeof latePaymentWorkflow, [PaymentEvent]>('latePaymentWorkflow', late),
    );
    if (isTaken) return;
  }
}

/**
 * Signals to the workflow that owns a booking that its row has changed. A booking's own workflow is started if need
 * be; the workflow of a late payment that has ended needs no signal.
 */
async function signalChange(context: CallContext, { bookingRef, workflowId }: BookingChange) {
  const { workflow } = context;
  if (workflowId === bookingWorkflowId(bookingRef)) {
    const start = await bookingStart(context, bookingRef);
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
async function startRefund({ workflow, taskQueue }: CallContext, refund: RefundInput, messageId: string) {
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
  context: CallContext,
  { ref, status, workflowId, latePayment }: BookingToCancel,
  request: CancelRequest,
): Promise<CancelResult> {
  const shared = {
    ...(await bookingStart(context, ref)),
    workflowId,
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
  };
  const startWorkflowOperation = latePayment
    ? new WithStartWorkflowOperation<typeof latePaymentWorkflow>('latePaymentWorkflow', {
        ...shared,
        args: [latePayment],
      })
    : new WithStartWorkflowOperation<typeof bookingWorkflow>('bookingWorkflow', shared);
  return context.workflow.executeUpdateWithStart(cancelUpdate, {
    updateId: cancelUpdateId(request, status),
    args: [{ ...request, seen: status }],
    startWorkflowOperation: startWorkflowOperation as WithStartWorkflowOperation<typeof bookingWorkflow>,
  });
}
