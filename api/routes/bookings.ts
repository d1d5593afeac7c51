import { z } from 'zod';
import { bookingStatuses } from '../../domain/booking.ts';
import { guestCountMax, specialRequestsCharsMax } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import { parseEndOfRange, parseTimeOfDay } from '../../domain/slots.ts';
import type { Deps } from '../deps.ts';
import { readBookingPage, readBookingFor } from '../read-bookings.ts';
import { cancelBooking } from '../cancel.ts';
import { holdSlot } from '../../core/bookings/hold-slot.ts';
import { answerOnce } from '../../http/idempotency.ts';
import { route, type Route } from '../../http/route.ts';
import {
  askedTimeOfDay,
  cursor,
  date,
  exampleDate,
  id,
  idParams,
  idText,
  limit,
  text,
} from '../../http/schemas.ts';
import { bookingItemView, bookingView, viewBooking } from '../views.ts';

const newBooking = z.strictObject({
  room_id: id,
  booking_date: date,
  start_time: askedTimeOfDay,
  end_time: askedTimeOfDay.meta({ description: '`24:00` or `00:00`: the midnight that the day ends with.' }),
  guest_count: z.number().int().min(1).max(guestCountMax),
  special_requests: text(specialRequestsCharsMax).nullish(),
  user_id: id
    .optional()
    .meta({ description: 'For old clients: the caller’s own id, unless the caller is staff.' }),
});

const filters = {
  status: z.enum(bookingStatuses).optional(),
  from: date.optional(),
  to: date.optional(),
  limit,
  cursor,
};

const pageShape = {
  count: z.number().int().min(0),
  count_exact: z.boolean(),
  bookings: z.array(bookingItemView),
  next: z.string().nullable().meta({ description: 'The cursor of the next page; null on the last.' }),
};

export function bookingRoutes(deps: Deps): Route[] {
  const { db } = deps;

  const create = route({
    method: 'POST',
    path: '/api/bookings/',
    access: 'user',
    tag: 'Bookings',
    summary: 'Hold a slot until it is paid for',
    body: newBooking,
    example: () => ({
      room_id: 1,
      booking_date: exampleDate(),
      start_time: '09:00',
      end_time: '10:00',
      guest_count: 2,
    }),
    idempotent: true,
    status: 201,
    response: bookingView,
    problems: [
      'end_before_start',
      'off_grid',
      'outside_opening_hours',
      'in_the_past',
      'too_far_ahead',
      'too_long',
      'amount_not_chargeable',
      'over_capacity',
      'clock_change',
      'not_your_user',
      'room_not_found',
      'slot_taken',
      'too_many_holds',
    ],
  })(async ({ body, caller, ctx }) => {
    const userId = body.user_id ?? caller.userId;
    const forAnother = userId !== caller.userId;
    if (forAnother && !caller.isStaff) throw new Problem('not_your_user');
    return answerOnce(db, {
      ctx,
      caller,
      operation: 'create_booking',
      body,
      run: async (idempotencyLease) => {
        const request = {
          roomId: body.room_id,
          userId,
          actor: `${forAnother ? 'staff' : 'user'}:${caller.userId}`,
          date: body.booking_date,
          startMinute: parseTimeOfDay(body.start_time),
          endMinute: parseEndOfRange(body.end_time),
          guestCount: body.guest_count,
          specialRequests: body.special_requests ?? null,
          idempotencyLease,
        };
        const booking = await holdSlot(deps, request, (message) => deps.relay.accept(message));
        return { resultId: booking.id, answer: viewBooking(booking), alreadyStored: true };
      },
      rebuild: async (bookingId) => viewBooking(await readBookingFor(deps, caller, bookingId)),
    });
  });

  const listMine = route({
    method: 'GET',
    path: '/api/bookings/',
    access: 'user',
    tag: 'Bookings',
    summary: 'My bookings, newest first',
    query: z.strictObject(filters),
    status: 200,
    response: z.strictObject(pageShape),
    problems: ['invalid_cursor'],
  })(({ caller, query }) => readBookingPage(deps, { ...query, userId: caller.userId }));

  const listAll = route({
    method: 'GET',
    path: '/api/bookings/all/',
    access: 'staff',
    tag: 'Bookings',
    summary: 'Everybody’s bookings, newest first',
    query: z.strictObject({ ...filters, room: idText.optional(), user: idText.optional() }),
    status: 200,
    response: z.strictObject(pageShape),
    problems: ['invalid_cursor'],
  })(({ query: { room, user, ...query } }) =>
    readBookingPage(deps, { ...query, roomId: room, userId: user }),
  );

  const show = route({
    method: 'GET',
    path: '/api/bookings/{id}/',
    access: 'user',
    tag: 'Bookings',
    summary: 'One booking, with its hold and its payment',
    params: idParams,
    exampleParams: { id: '1' },
    status: 200,
    response: bookingView,
    problems: ['booking_not_found'],
  })(async ({ params, caller }) => viewBooking(await readBookingFor(deps, caller, params.id)));

  const cancel = route({
    method: 'POST',
    path: '/api/bookings/{id}/cancel/',
    access: 'user',
    tag: 'Bookings',
    summary: 'Cancel a booking; repeating is safe',
    params: idParams,
    exampleParams: { id: '1' },
    body: z.strictObject({
      refund: z
        .boolean()
        .default(false)
        .meta({ description: 'Staff: give the money back whatever the hour.' }),
    }),
    bodyOptional: true,
    example: { refund: false },
    status: 200,
    response: bookingView,
    problems: ['booking_not_found', 'not_cancellable', 'not_refundable', 'workflow_unavailable'],
  })(async ({ params, body, caller }) => {
    const booking = await readBookingFor(deps, caller, params.id);
    const byStaff = booking.user_id !== caller.userId || caller.isStaff;
    await cancelBooking(deps, booking, { callerId: caller.userId, byStaff, refund: byStaff && body.refund });
    return viewBooking(await readBookingFor(deps, caller, params.id));
  });

  return [create, listMine, listAll, show, cancel];
}
