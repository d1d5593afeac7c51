import { defineSearchAttributeKey } from '@temporalio/common';
import { condition, setHandler, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { BookingState } from '../activities/index.ts';
import { bookingStatusAttribute, cancelUpdate, holdQuery, paymentNewsSignal } from './messages.ts';
import type { CancelRequest, CancelResult, PaymentNews } from './messages.ts';

interface CancelCase {
  request: CancelRequest;
  result?: CancelResult;
}

/**
 * The desk where messages arrive. Its handlers only record; the workflow's main path looks at the desk when it is
 * ready, so that there is one place where anything is decided.
 */
export function openDesk(bookingRef: string) {
  const news: PaymentNews[] = [];
  const cancels: CancelCase[] = [];
  let booking: BookingState | undefined;

  function addNews(item: PaymentNews): void {
    // The same news, not yet read, is one piece of news.
    if (!news.some((known) => isSame(known, item))) news.push(item);
  }

  setHandler(paymentNewsSignal, addNews);
  setHandler(cancelUpdate, async (request) => {
    const entry: CancelCase = { request };
    cancels.push(entry);
    await condition(() => entry.result !== undefined);
    return entry.result as CancelResult;
  });
  setHandler(holdQuery, () => ({
    bookingRef,
    status: booking?.status ?? 'starting',
    ...(booking?.status === 'pending' && { holdExpiresAt: booking.settleAt }),
    secondsLeft: booking?.status === 'pending' ? secondsLeftUntil(booking.settleAt) : 0,
  }));

  return {
    /** Shows the operator and the query where the booking stands. */
    show(state: BookingState): BookingState {
      if (state.status !== booking?.status) showStatus(state.status);
      booking = state;
      return state;
    },
    hasMail: () => news.length > 0 || cancels.length > 0,
    /** Mail that can be read without asking Stripe. */
    hasPlainMail: () => cancels.length > 0 || news.some(({ verify }) => !verify),
    hasDoubts: () => news.some(({ verify }) => verify),
    nextNews: () => news.shift(),
    /** News that is taken as it is. */
    nextFact: () => takeFirst(news, ({ verify }) => !verify),
    nextCancel: () => cancels.shift(),
    /** For later. */
    putBack: addNews,
  };
}

export type Desk = ReturnType<typeof openDesk>;

const statusKey = defineSearchAttributeKey(bookingStatusAttribute, 'KEYWORD');

/** The attribute is known to the server only if the run was started with it; an unknown one would block the run. */
function showStatus(status: string): void {
  const shown = workflowInfo().typedSearchAttributes.get(statusKey);
  if (shown !== undefined && shown !== status) upsertSearchAttributes([{ key: statusKey, value: status }]);
}

function takeFirst<T>(items: T[], matches: (item: T) => boolean): T | undefined {
  const index = items.findIndex(matches);
  return index < 0 ? undefined : items.splice(index, 1)[0];
}

function isSame(known: PaymentNews, item: PaymentNews): boolean {
  return known.intentId === item.intentId && known.verify === item.verify;
}

/** Milliseconds until an instant on the workflow's clock, never negative. */
export function msUntil(instant: string): number {
  return Math.max(0, Date.parse(instant) - Date.now());
}

/**
 * Seconds until an instant, for a query. The workflow's own clock stands still between its tasks, so this asks the
 * worker's, which no decision may rest on.
 */
function secondsLeftUntil(instant: string): number {
  return Math.max(0, Math.ceil((Date.parse(instant) - workflowInfo().unsafe.now()) / 1000));
}
