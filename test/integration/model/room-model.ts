import type { BookingStatus } from '../../../domain/booking.ts';

/** A booking as the model knows it: as little as is needed to say what must be true. */
export interface ModelBooking {
  id: number;
  from: number;
  to: number;
  status: BookingStatus;
  /** Unix milliseconds. */
  deadline: number;
  intentId?: string;
  /** The money came, and what has become of it. */
  money: 'none' | 'kept' | 'returned';
}

export const isActive = ({ status }: ModelBooking) => status === 'pending' || status === 'confirmed';

const overlap = (one: { from: number; to: number }, other: { from: number; to: number }) =>
  one.from < other.to && other.from < one.to;

/** The rules of one room, without a database, a network or a clock of its own. */
export function createRoomModel() {
  const bookings: ModelBooking[] = [];

  const inTheWay = (range: { from: number; to: number }, but?: ModelBooking) =>
    bookings.filter((booking) => booking !== but && isActive(booking) && overlap(booking, range));

  return {
    bookings,
    inTheWay,
    /** The nth booking from the newest; wraps around. Undefined while there is none. */
    nth: (nth: number): ModelBooking | undefined => bookings[bookings.length - 1 - (nth % bookings.length)],
    book(made: Pick<ModelBooking, 'id' | 'from' | 'to' | 'deadline'>): void {
      bookings.push({ ...made, status: 'pending', money: 'none' });
    },
    expire(booking: ModelBooking): void {
      booking.status = 'expired';
    },
    /** Money has come: what must become of booking and money. */
    pay(booking: ModelBooking): void {
      const wins =
        booking.status === 'pending' ||
        (booking.status === 'expired' && inTheWay(booking, booking).length === 0);
      if (wins) booking.status = 'confirmed';
      booking.money = wins ? 'kept' : 'returned';
    },
    cancel(booking: ModelBooking): void {
      booking.status = 'cancelled';
      if (booking.money === 'kept') booking.money = 'returned';
    },
  };
}

export type RoomModel = ReturnType<typeof createRoomModel>;
