import type { ShownBooking } from './facts.ts';

const concurrency = 12;
const tries = 3;

interface BookingAnswer {
  total_amount: number;
  payment_status: string;
  payment: {
    payment_intent_id: string | null;
    refunded_amount: number;
    disputed_amount: number;
    refunds: { status: string; amount: number }[];
  } | null;
}

/** Reads bookings from the APIs, as staff. */
export async function showBookings(
  { apiUrls, token }: { apiUrls: readonly string[]; token: string },
  bookingIds: readonly number[],
): Promise<ShownBooking[]> {
  const waiting = [...bookingIds];
  const shown: ShownBooking[] = [];
  async function work(): Promise<void> {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) shown.push(await show(id));
  }

  async function show(bookingId: number): Promise<ShownBooking> {
    let answer = 0;
    for (let attempt = 0; attempt < tries; attempt++) {
      const url = `${apiUrls[attempt % apiUrls.length]}/api/bookings/${bookingId}/`;
      const headers = { Authorization: `Bearer ${token}` };
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(5_000) }).catch(
        () => undefined,
      );
      answer = response?.status ?? 0;
      if (response?.ok) return factOf(bookingId, (await response.json()) as BookingAnswer);
    }
    return { bookingId, answer, paymentStatus: '', amountMinor: 0, payment: null };
  }

  await Promise.all(Array.from({ length: concurrency }, work));
  return shown;
}

/** All rooms of the harness cost US dollars. */
const minorOf = (major: number) => Math.round(major * 100);

function factOf(bookingId: number, { payment, ...booking }: BookingAnswer): ShownBooking {
  return {
    ...{ bookingId, answer: 200 },
    paymentStatus: booking.payment_status,
    amountMinor: minorOf(booking.total_amount),
    payment: payment && {
      intentId: payment.payment_intent_id,
      refundedMinor: minorOf(payment.refunded_amount),
      disputedMinor: minorOf(payment.disputed_amount),
      refunds: payment.refunds.map(({ status, amount }) => ({ status, amountMinor: minorOf(amount) })),
    },
  };
}
