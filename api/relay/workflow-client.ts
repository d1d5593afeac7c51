import { WithStartWorkflowOperation } from '@temporalio/client';
import {
  defineSearchAttributeKey,
  TypedSearchAttributes,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/common';
import type { Config } from '../../config.ts';
import type { BookingStatus } from '../../domain/booking.ts';
import type { bookingWorkflow, latePaymentWorkflow, refundWorkflow } from '../../workflows/index.ts';
import {
  bookingChangedSignal,
  bookingStatusAttribute,
  bookingWorkflowId,
  cancelUpdate,
  cancelUpdateId,
  latePaymentWorkflowId,
  nextWorkflowId,
  paymentNewsSignal,
  refundWorkflowId,
  type CancelRequest,
  type BookingChange,
  type CancelResult,
  type PaymentNews,
  type RefundInput,
} from '../../workflows/messages.ts';
import {
  createTemporalConnection,
  grpcCodeOf,
  grpcDeadlineExceeded,
  grpcUnavailable,
  type TemporalLink,
} from './temporal-connection.ts';

const statusKey = defineSearchAttributeKey(bookingStatusAttribute, 'KEYWORD');
const attributeCheckMs = 60_000;
const workerSilentSeconds = 90;
const healthMs = 800;
/** As in temporal-connection.ts. */
const grpcInvalidArgument: number = 3;

/** The API's way to its workflows: every call has a deadline, and works again soon after Temporal is back. */
// eslint-disable-next-line max-lines-per-function -- one small function a message
export function createWorkflowClient(settings: Config['temporal']) {
  const { namespace, taskQueue } = settings;
  const temporal = createTemporalConnection(settings);
  let attribute = { known: false, checkedAt: 0 };

  function soon<T>(calls: (link: TemporalLink) => Promise<T>, withinMs?: number): Promise<T> {
    return temporal.call((link) => calls(link).catch((error: unknown) => explain(error, link)), withinMs);
  }

  /** Does the namespace have `BookingStatus`? A start that names an unknown attribute is refused. */
  async function isAttributeKnown({ connection }: TemporalLink): Promise<boolean> {
    if (attribute.known || Date.now() - attribute.checkedAt < attributeCheckMs) return attribute.known;
    try {
      const found = await connection.operatorService.listSearchAttributes({ namespace });
      attribute = { known: statusKey.name in (found.customAttributes ?? {}), checkedAt: Date.now() };
    } catch (error) {
      // Not allowed to ask: do without. Not reachable: the start itself will say so.
      const code = grpcCodeOf(error);
      if (code === grpcUnavailable || code === grpcDeadlineExceeded) throw error;
      attribute = { known: false, checkedAt: Date.now() };
    }
    return attribute.known;
  }

  /**
   * Tells a refusal of the search attribute, which Temporal answers like a faulty message, from one of the message:
   * the attribute was known and is not any more. The next start goes without it.
   */
  async function explain(error: unknown, link: TemporalLink): Promise<never> {
    if (attribute.known && grpcCodeOf(error) === grpcInvalidArgument) {
      attribute = { known: false, checkedAt: 0 };
      if (!(await isAttributeKnown(link))) {
        throw new Error(`the namespace has lost the search attribute ${statusKey.name}`, { cause: error });
      }
    }
    throw error;
  }

  async function bookingStart(link: TemporalLink, bookingRef: string, summary?: string) {
    return {
      workflowId: bookingWorkflowId(bookingRef),
      taskQueue,
      args: [{ bookingRef }] as [{ bookingRef: string }],
      // A finished run is never repeated; one that was terminated or has failed is replaced.
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY' as const,
      ...(summary && { staticSummary: summary }),
      ...((await isAttributeKnown(link)) && {
        typedSearchAttributes: new TypedSearchAttributes([{ key: statusKey, value: 'pending' }]),
      }),
    };
  }

  /** Runs a start. @returns false when the workflow is running or has ended well: it is started once, ever */
  async function startOnce(start: () => Promise<unknown>): Promise<boolean> {
    try {
      await start();
      return true;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
      throw error;
    }
  }

  return {
    /** Starts a booking's workflow, once. `summary` is shown in Temporal's UI. */
    async startBooking(bookingRef: string, summary: string): Promise<void> {
      await soon(async (link) => {
        const options = await bookingStart(link, bookingRef, summary);
        return startOnce(() => link.workflow.start<typeof bookingWorkflow>('bookingWorkflow', options));
      });
    },

    /**
     * Tells a booking's workflow of a payment, starting it if need be; if it has ended, the late-payment workflow
     * decides; if that has ended too, another one. `messageId` names what has no name of its own.
     */
    async tellPayment(news: PaymentNews, messageId: string): Promise<void> {
      await soon(async (link) => {
        const options = await bookingStart(link, news.bookingRef);
        const told = { signal: paymentNewsSignal, signalArgs: [news] as [PaymentNews] };
        const toOwner = { ...options, ...told };
        const isTold = await startOnce(() =>
          link.workflow.signalWithStart<typeof bookingWorkflow, [PaymentNews]>('bookingWorkflow', toOwner),
        );
        if (isTold) return;
        const lateId = latePaymentWorkflowId(news.paymentRef ?? `${news.intentId}-${messageId}`);
        for (const workflowId of [lateId, nextWorkflowId(lateId, messageId)]) {
          const isTaken = await startOnce(() =>
            link.workflow.signalWithStart<typeof latePaymentWorkflow, [PaymentNews]>('latePaymentWorkflow', {
              ...options,
              ...told,
              workflowId,
              args: [news],
              staticSummary: 'Money for a booking that was over',
            }),
          );
          if (isTaken) return;
        }
      });
    },

    /** Lets the workflow that owns a booking read its row again, starting it if need be; one that has ended need not. */
    async tellChange({ bookingRef, workflowId }: BookingChange): Promise<void> {
      await soon(async (link) => {
        if (workflowId === bookingWorkflowId(bookingRef)) {
          const options = {
            ...(await bookingStart(link, bookingRef)),
            signal: bookingChangedSignal,
            signalArgs: [] as [],
          };
          return startOnce(() =>
            link.workflow.signalWithStart<typeof bookingWorkflow, []>('bookingWorkflow', options),
          );
        }
        return link.workflow
          .getHandle(workflowId)
          .signal(bookingChangedSignal)
          .catch((error: unknown) => {
            if (!(error instanceof WorkflowNotFoundError)) throw error;
          });
      });
    },

    /**
     * Starts a refund, unless its workflow runs. A run that has ended well took the refund for sent; if there is a message
     * all the same, as after a restored database, another one looks again.
     */
    async startRefund(refund: RefundInput, messageId: string): Promise<void> {
      const start = (link: TemporalLink, workflowId: string) =>
        startOnce(() =>
          link.workflow.start<typeof refundWorkflow>('refundWorkflow', {
            workflowId,
            taskQueue,
            args: [refund],
            workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
            staticSummary: 'Sends money back',
          }),
        );
      await soon(async (link) => {
        const workflowId = refundWorkflowId(refund.refundRef);
        if (await start(link, workflowId)) return;
        const { status } = await link.workflow.getHandle(workflowId).describe();
        if (status.name !== 'RUNNING') await start(link, nextWorkflowId(workflowId, messageId));
      });
    },

    /**
     * Asks the workflow that owns a booking to cancel it, starting it if it was lost, and waits for its answer.
     * Asking again gets the same answer for as long as the booking stands as it was seen.
     * @throws a gRPC or update error when there is no answer in time: the outcome is then unknown
     */
    async cancelBooking(
      booking: { ref: string; status: BookingStatus; workflowId: string; paymentNews?: PaymentNews },
      request: CancelRequest,
    ): Promise<CancelResult> {
      return soon(async (link) => {
        const shared = {
          ...(await bookingStart(link, booking.ref)),
          workflowId: booking.workflowId,
          workflowIdConflictPolicy: 'USE_EXISTING' as const,
        };
        const startWorkflowOperation = booking.paymentNews
          ? new WithStartWorkflowOperation<typeof latePaymentWorkflow>('latePaymentWorkflow', {
              ...shared,
              args: [booking.paymentNews],
            })
          : new WithStartWorkflowOperation<typeof bookingWorkflow>('bookingWorkflow', shared);
        return link.workflow.executeUpdateWithStart(cancelUpdate, {
          updateId: cancelUpdateId(request, booking.status),
          args: [{ ...request, seen: booking.status }],
          startWorkflowOperation: startWorkflowOperation as WithStartWorkflowOperation<
            typeof bookingWorkflow
          >,
        });
      });
    },

    /**
     * Does Temporal answer, and has a worker asked it for work of late? A worker asks at least once a minute.
     * @throws a gRPC error when Temporal does not answer
     */
    async hasWorker(): Promise<boolean> {
      const { pollers } = await soon(
        ({ connection }) =>
          connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
        healthMs,
      );
      const lately = Date.now() / 1000 - workerSilentSeconds;
      return pollers.some((poller) => Number(poller.lastAccessTime?.seconds ?? 0) > lately);
    },

    close: () => temporal.close(),
  };
}

export type WorkflowClient = ReturnType<typeof createWorkflowClient>;

/**
 * Is the message itself to blame, rather than the server, its configuration or our rights there? Only then may it
 * be set aside.
 */
export function isPoison(error: unknown): boolean {
  const code = grpcCodeOf(error);
  if (code !== undefined) return code === grpcInvalidArgument;
  return error instanceof TypeError || error instanceof OrphanError;
}

/** A payment whose booking is not here (yet): perhaps a database that was restored to an earlier point. */
export class OrphanError extends Error {
  override readonly name = 'OrphanError';
}
