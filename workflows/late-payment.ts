import type { BookingStatus } from '../domain/booking.ts';
import { openDesk } from './inbox.ts';
import { liveBooking, settlePayment } from './booking-lifecycle.ts';
import type { PaymentNews } from './messages.ts';

/**
 * Money for a booking whose workflow has ended: the booking is confirmed after all if its slot is still free,
 * otherwise the money goes back. If it confirms, this workflow owns the booking from here to the end of the stay.
 */
export async function latePaymentWorkflow(news: PaymentNews): Promise<BookingStatus> {
  const desk = openDesk(news.bookingRef);
  const booking = await settlePayment(news);
  const { status } = await liveBooking(desk, booking);
  return status;
}
