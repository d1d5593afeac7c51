import type { Context } from 'koa';
import type { VNode } from 'preact';
import { printDocument } from '../shell.tsx';
import type { PanelSession } from './queries/sessions.ts';
import type { Form } from './form.ts';

/** A request by a signed-in member of staff. */
export interface PanelRequest {
  ctx: Context;
  staff: PanelSession;
  /** The token that every form of this session must carry. */
  csrf: string;
  /** The ids in the path, by the names that its pattern gives them. */
  ids: Readonly<Record<string, number>>;
  /** The fields of a POST; empty for other methods. */
  form: Form;
}

/** A page or an action of the panel. Every `:parameter` of its path is an id. */
export interface PanelRoute {
  method: 'GET' | 'POST';
  path: string;
  serve(request: PanelRequest): Promise<void>;
}

export const actorOf = (request: PanelRequest) => `staff:${request.staff.userId}`;

/** An id in the path. */
export function idOf({ ids }: PanelRequest, name = 'id'): number {
  const id = ids[name];
  if (id === undefined) throw new TypeError(`the path has no :${name}`);
  return id;
}

export function respond(ctx: Context, status: number, page: VNode): void {
  ctx.status = status;
  ctx.type = 'html';
  ctx.body = printDocument(page);
}

/** Redirects (303) to a page that says what was done, so that reloading it does not repeat the action. */
export function goTo(ctx: Context, path: string, done?: Notice): void {
  ctx.set('Location', done ? `${path}?done=${done}` : path);
  ctx.body = null;
  ctx.status = 303;
}

/** What the page after an action says. The address only names one of these sentences, so a link cannot forge one. */
const notices = {
  cancelled: 'The booking is cancelled. Reload to see the status of its refund, if there is one.',
  refunded: 'Refund requested. Reload to see its status.',
  parked: 'Refund requested. It will be sent when the customer’s dispute of this payment is closed.',
  settled: 'The hold is settled.',
  waiting:
    'Stripe has not given a final answer yet, or this hold is already being settled. Try again in a moment.',
  added: 'Room added.',
  saved: 'Changes saved.',
  changed: 'Account updated.',
  resolved: 'Flag resolved.',
  resent: 'The message will be sent again within seconds.',
} as const;
export type Notice = keyof typeof notices;

export function noticeOf(ctx: Context): string | undefined {
  const { done } = ctx.query;
  return typeof done === 'string' && Object.hasOwn(notices, done) ? notices[done as Notice] : undefined;
}
