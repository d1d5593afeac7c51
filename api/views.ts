import { z } from 'zod';
import type { BookingDetailRow, BookingRow, RefundSummary } from '../db/bookings.ts';
import { refundStatuses, type Room } from '../db/models.ts';
import { bookingStatuses, paymentStatuses } from '../domain/booking.ts';
import { toMajor } from '../domain/money.ts';
import { id, instant } from '../http/schemas.ts';

/** The shapes that the API shows. They are allow-lists: a column that is not named here is never sent. */

const time = z.string().regex(/^\d{2}:\d{2}:\d{2}$/);
const amount = z.number().min(0);
const currency = z.string().length(3);

export const roomView = z
  .strictObject({
    id,
    name: z.string(),
    description: z.string(),
    price_per_slot: amount,
    currency,
    capacity: z.number().int(),
    amenities: z.array(z.string()),
    is_available: z.boolean(),
    slot_duration_minutes: z.number().int(),
    opening_time: time,
    closing_time: time,
    time_zone: z.string(),
  })
  .meta({ id: 'Room' });

export function viewRoom(room: Room): z.input<typeof roomView> {
  return {
    id: room.id,
    name: room.name,
    description: room.description,
    price_per_slot: toMajor(room.price_minor, room.currency),
    currency: room.currency,
    capacity: room.capacity,
    amenities: room.amenities,
    is_available: room.is_available,
    slot_duration_minutes: room.slot_duration_minutes,
    opening_time: room.opening_time,
    closing_time: room.closing_time,
    time_zone: room.time_zone,
  };
}

const bookingShape = {
  id,
  user_id: id,
  user_name: z.string(),
  user_email: z.string(),
  room_id: id,
  room_name: z.string(),
  booking_date: z.iso.date(),
  start_time: time,
  end_time: time,
  starts_at: instant,
  ends_at: instant,
  time_zone: z.string(),
  guest_count: z.number().int(),
  special_requests: z.string().nullable(),
  total_amount: amount,
  currency,
  number_of_slots: z.number().int(),
  status: z.enum(bookingStatuses),
  payment_status: z.enum(paymentStatuses),
  hold_expires_at: instant,
  created_at: instant,
};

export const bookingItemView = z.strictObject(bookingShape).meta({ id: 'BookingItem' });

export function viewBookingItem(row: BookingRow): z.input<typeof bookingItemView> {
  return {
    id: row.id,
    user_id: row.user_id,
    user_name: row.user_email,
    user_email: row.user_email,
    room_id: row.room_id,
    room_name: row.room_name,
    booking_date: row.booking_date,
    start_time: row.start_time,
    end_time: row.end_time,
    starts_at: row.starts_at.toISOString(),
    ends_at: row.ends_at.toISOString(),
    time_zone: row.time_zone,
    guest_count: row.guest_count,
    special_requests: row.special_requests,
    total_amount: toMajor(row.amount_minor, row.currency),
    currency: row.currency,
    number_of_slots: row.number_of_slots,
    status: row.status,
    payment_status: row.payment_status,
    hold_expires_at: row.hold_expires_at.toISOString(),
    created_at: row.created_at.toISOString(),
  };
}

export const refundView = z
  .strictObject({
    id,
    status: z.enum(refundStatuses).meta({
      description:
        'pending: to be sent. parked: waits for a dispute to close. refused: staff must act. submitted: on its way. ' +
        'succeeded, failed: as it ended. dropped: the money has gone back another way.',
    }),
    amount,
    currency,
    created_at: instant,
  })
  .meta({ id: 'Refund' });

/** A refund, in the currency of its payment. */
export function viewRefund(row: RefundSummary, currencyOfPayment: string): z.input<typeof refundView> {
  return {
    id: row.id,
    status: row.status,
    amount: toMajor(row.amount_minor, currencyOfPayment),
    currency: currencyOfPayment,
    created_at: new Date(row.created_at).toISOString(),
  };
}

const paymentView = z.strictObject({
  payment_intent_id: z.string().nullable(),
  status: z.string(),
  refunded_amount: amount.meta({
    description: 'What has arrived at the customer by refunds, whoever made them.',
  }),
  disputed_amount: amount.meta({
    description: 'What the customer’s bank holds by an open dispute, or has taken by a lost one.',
  }),
  refund: refundView.nullable().meta({ description: 'The latest of `refunds`.' }),
  refunds: z.array(refundView).meta({ description: 'Oldest first.' }),
});

export const bookingView = z
  .strictObject({
    ...bookingShape,
    hold_seconds_left: z.number().int().min(0),
    payment: paymentView.nullable(),
  })
  .meta({ id: 'Booking' });

export function viewBooking(row: BookingDetailRow): z.input<typeof bookingView> {
  const held = row.status === 'pending';
  const paidIn = row.payment_currency ?? row.currency;
  const refunds = row.refunds.map((refund) => viewRefund(refund, paidIn));
  return {
    ...viewBookingItem(row),
    hold_seconds_left: held ? Math.max(0, Math.ceil(row.hold_seconds_left)) : 0,
    payment: row.payment_intent_status && {
      payment_intent_id: row.payment_intent_id,
      status: row.payment_intent_status,
      refunded_amount: toMajor(row.refunded_minor, paidIn),
      disputed_amount: toMajor(row.disputed_minor, paidIn),
      refund: refunds.at(-1) ?? null,
      refunds,
    },
  };
}
