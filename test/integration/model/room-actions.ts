import { rows } from '../../../db/knex.ts';
import type { BookingStatus } from '../../../domain/booking.ts';
import { dayAhead, type System, type TestUser, until } from '../../setup/system.ts';

export interface RoomRow {
  id: number;
  status: BookingStatus;
  /** All that came for it has gone back. */
  refunded: boolean;
}

const waitMs = 30_000;

/** The actions of guests, Stripe and time on the bookings of one room. Nothing here checks an answer. */
export async function openRoom(system: System, guest: TestUser) {
  const { control } = system.stripe;
  const roomId = await system.newRoom();
  const beganAt = Math.floor(Date.now() / 1_000) - 1;
  const reopened = new Set<string>();
  const call = (method: string, path: string, body?: unknown) =>
    system.call(method, path, { token: guest.token, ...(body !== undefined && { body }) });

  async function read(): Promise<RoomRow[]> {
    return rows<RoomRow>(
      system.db,
      `select b.id, b.status, coalesce(bool_or(f.status = 'succeeded'), false) as refunded
         from bookings b left join payments p on p.booking_id = b.id left join refunds f on f.payment_id = p.id
        where b.room_id = ? group by b.id order by b.id`,
      [roomId],
    );
  }

  return {
    roomId,
    read,
    book: ({ from, to }: { from: number; to: number }) =>
      call('POST', '/api/bookings/', {
        room_id: roomId,
        booking_date: dayAhead(7),
        start_time: timeOf(from),
        end_time: timeOf(to),
        guest_count: 1,
      }),
    openIntent: (bookingId: number) => call('POST', '/api/payment-intent/', { booking_id: bookingId }),
    cancel: (bookingId: number) => call('POST', `/api/bookings/${bookingId}/cancel/`),
    /** @returns false when Stripe refuses: paid already, or canceled */
    pay: (intentId: string) =>
      control.pay(intentId).then(
        () => true,
        () => false,
      ),
    fail: (intentId: string) => control.pay(intentId, 'pm_card_visa_chargeDeclined').catch(() => {}),

    /** A canceled PaymentIntent is paid after all, once: as if Stripe had never canceled it. @returns false if it was not canceled */
    async payLate(intentId: string): Promise<boolean> {
      const { paymentIntents } = await control.ledger();
      const isCanceled = paymentIntents.some(({ id, status }) => id === intentId && status === 'canceled');
      if (!isCanceled || reopened.has(intentId)) return false;
      reopened.add(intentId);
      await control.setPaymentIntent(intentId, {
        status: 'requires_payment_method',
        canceled_at: null,
        cancellation_reason: null,
      });
      await control.pay(intentId);
      return true;
    },

    /** Everything that Stripe has said of a PaymentIntent comes again, in an order that the number stands for. */
    async repeatWebhooks(intentId: string, order: number): Promise<void> {
      const said: string[] = [];
      const listed = system.server.deps.stripe.events.list({ limit: 100, created: { gte: beganAt } });
      for await (const { id, data } of listed)
        if ((data.object as { id?: string }).id === intentId) said.push(id);
      const weight = (id: string) =>
        [...id].reduce((sum, char) => (sum * 31 + char.charCodeAt(0) + order) % 9_973, order);
      said.sort((a, b) => weight(a) - weight(b));
      for (const id of said) await control.redeliver(id);
    },

    falseWebhook: (intentId: string) => control.emitEvent('payment_intent.succeeded', intentId),

    /** Waits for the end of every hold. */
    expire: () =>
      until(
        `no hold of room ${roomId} is open`,
        async () => (await read()).every(({ status }) => status !== 'pending'),
        waitMs,
      ),
    /** Waits until a booking stands so. */
    agree: (bookingId: number, status: BookingStatus, refunded: boolean) =>
      until(
        `booking ${bookingId} is ${status}, ${refunded ? 'its money returned' : 'no money returned'}`,
        async () => {
          const found = (await read()).find(({ id }) => id === bookingId);
          return found?.status === status && found.refunded === refunded;
        },
        waitMs,
      ),
  };
}

export type Room = Awaited<ReturnType<typeof openRoom>>;

function timeOf(cell: number): string {
  return `${String(9 + Math.floor(cell / 2)).padStart(2, '0')}:${cell % 2 === 0 ? '00' : '30'}`;
}

export function mustBe(truth: boolean, otherwise: string): void {
  if (!truth) throw new Error(otherwise);
}
