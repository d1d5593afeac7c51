/** `40`, `usd` → `USD 40.00`, as in the staff panel. */
export function money(amount, currency) {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'code' });
  return format.format(amount).replace('\u00a0', ' ');
}

/** `2027-03-01` → `Mon, 1 March 2027`. A calendar date has no time zone, so it is read and written in UTC. */
export function longDate(date) {
  /** @type {Intl.DateTimeFormatOptions} */
  const day = { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' };
  return new Intl.DateTimeFormat('en-GB', day).format(new Date(`${date}T00:00:00Z`));
}

/** `09:30:00` → `09:30`. */
export const shortTime = (time) => time.slice(0, 5);

/** An instant on the clock of a time zone; with seconds when it is less than two minutes away. */
export function clockTime(instant, timeZone) {
  const at = new Date(instant);
  const near = Math.abs(at.getTime() - Date.now()) < 120_000;
  /** @type {Intl.DateTimeFormatOptions} */
  const parts = { hour: '2-digit', minute: '2-digit', timeZone };
  if (near) parts.second = '2-digit';
  return new Intl.DateTimeFormat('en-GB', parts).format(at);
}

/** 125 → `2:05`. */
export function countdown(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
}

export function addDays(date, days) {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** `0.5` → `30 seconds`, `30` → `30 minutes`. */
export function holdLength(minutes) {
  if (minutes < 2) return `${Math.round(minutes * 60)} seconds`;
  return `${Math.round(minutes)} minutes`;
}

/** The text for a hold that expired while its payment may still arrive. */
export const tooLate =
  'The payment did not arrive in time. If it still does, the booking is confirmed if the time is free; otherwise you are refunded in full.';

/**
 * A booking's status for its guest: a word and a tone.
 * @param {import('./api.js').BookingItem} booking
 * @returns {[string, string]}
 */
export function statusOf({ status, payment_status: payment }) {
  switch (status) {
    case 'pending':
      return payment === 'failed' ? ['declined, pay again', 'wait'] : ['waiting for payment', 'wait'];
    case 'confirmed':
      return ['confirmed', 'good'];
    case 'cancelled':
      return payment === 'refunded' ? ['cancelled, refunded', 'calm'] : ['cancelled', 'calm'];
    case 'expired':
      return payment === 'refunded' ? ['expired, refunded', 'calm'] : ['expired', 'calm'];
    default:
      return [status, 'calm'];
  }
}

/**
 * A booking as names and values.
 * @param {import('./api.js').BookingItem} booking
 */
export function factsOf(booking) {
  return [
    ['Room', booking.room_name],
    ['Day', longDate(booking.booking_date)],
    ['Time', `${shortTime(booking.start_time)} – ${shortTime(booking.end_time)} (${booking.time_zone})`],
    ['Guests', String(booking.guest_count)],
    ['Price', money(booking.total_amount, booking.currency)],
  ];
}

/** Today's date in a time zone, `YYYY-MM-DD` (the format of en-CA). */
export const todayIn = (timeZone) => new Intl.DateTimeFormat('en-CA', { timeZone }).format(new Date());
