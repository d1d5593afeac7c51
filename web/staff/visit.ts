import type { Context } from 'koa';
import type { VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';
import type { PanelSession } from './queries/sessions.ts';
import type { Form } from './form.ts';

/** One request of a member of staff: who it is, what every form must carry, and what was sent. */
export interface Visit {
  ctx: Context;
  staff: PanelSession;
  csrf: string;
  /** The numbers in the path, in its order. */
  ids: readonly number[];
  /** Empty but for POST. */
  form: Form;
}

/** A page or an action of the panel, as data. `:id` stands for a number. */
export interface PanelRoute {
  method: 'GET' | 'POST';
  path: string;
  serve(visit: Visit): Promise<void>;
}

export const actorOf = (visit: Visit) => `staff:${visit.staff.userId}`;

/** The id in the path. */
export const idOf = (visit: Visit) => visit.ids[0] as number;

export function respond(ctx: Context, status: number, page: VNode): void {
  ctx.status = status;
  ctx.type = 'html';
  ctx.body = `<!doctype html>${renderToString(page)}`;
}

/** After an action: to a page that says what was done, so that reloading repeats nothing (303). */
export function goTo(ctx: Context, path: string, done?: Notice): void {
  ctx.set('Location', done ? `${path}?done=${done}` : path);
  ctx.body = null;
  ctx.status = 303;
}

/** What the page after an action says. The address names the sentence; it cannot say anything else. */
const notices = {
  cancelled: 'The booking is cancelled. If money goes back, Stripe is asked now; reload to see it.',
  refunded: 'The refund is decided. Its workflow asks Stripe for it now; reload to see it.',
  settled: 'The hold is settled.',
  waiting:
    'Stripe has not given a final answer yet, or somebody else is settling this hold. Try again in a moment.',
  added: 'The room is added.',
  saved: 'The changes are saved.',
  changed: 'The account is changed.',
  resolved: 'The flag is resolved.',
  revived: 'The message will be sent again within seconds.',
} as const;
export type Notice = keyof typeof notices;

export function noticeOf(ctx: Context): string | undefined {
  const { done } = ctx.query;
  return typeof done === 'string' && Object.hasOwn(notices, done) ? notices[done as Notice] : undefined;
}
