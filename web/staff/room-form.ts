import { z } from 'zod';
import type { Room } from '../../db/models.ts';
import type { RoomFields } from '../../core/rooms/edit-room.ts';
import { guestCountMax, slotsPerBookingMax } from '../../domain/limits.ts';
import {
  chargeLeastMinor,
  chargeMostMinor,
  chargeStepMinor,
  isChargeableCurrency,
  showAmount,
  toMajor,
  toMinor,
} from '../../domain/money.ts';
import { formatTimeOfDay, isTimeZone, parseEndOfRange, parseTimeOfDay } from '../../domain/slots.ts';
import { text, timeOfDay } from '../../http/schemas.ts';
import type { Form } from './form.ts';

const amenitiesMax = 30;

export const timeZones = ['UTC', ...Intl.supportedValuesOf('timeZone')];

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .trim()
    .regex(/^\d{1,9}$/, { error: `Enter a whole number from ${min} to ${max}.` })
    .transform(Number)
    .refine((value) => value >= min && value <= max, {
      error: `Enter a whole number from ${min} to ${max}.`,
    });

const shape = z.object({
  name: text(100).trim().min(1, { error: 'Enter a name.' }),
  description: text(2_000).trim(),
  price: z
    .string()
    .trim()
    .regex(/^\d{1,8}(\.\d{1,3})?$/, { error: 'Enter an amount such as 50 or 49.50.' }),
  currency: z.string().trim().toLowerCase().refine(isChargeableCurrency, {
    error: 'Enter the three letters of a currency that Stripe supports, such as usd.',
  }),
  capacity: wholeNumber(1, guestCountMax),
  amenities: text(2_000).transform((list) =>
    list
      .split(/[\n,]/)
      .map((amenity) => amenity.trim())
      .filter(Boolean),
  ),
  time_zone: text(64)
    .trim()
    .refine((zone) => zone !== '' && isTimeZone(zone), { error: 'Enter a time zone such as Europe/Berlin.' }),
  opening_time: timeOfDay,
  closing_time: timeOfDay,
  slot_minutes: wholeNumber(5, 1_440),
  available: z.string().optional(),
});

export type RoomErrors = Readonly<Record<string, string>>;
export type ReadRoom = { fields: RoomFields } | { errors: RoomErrors };

/** Reads a room's form: its fields when all are valid, otherwise an error message per faulty field. */
export function readRoomForm(form: Form): ReadRoom {
  const parsed = shape.safeParse({ ...emptyRoom, ...form });
  if (!parsed.success) {
    return {
      errors: Object.fromEntries(parsed.error.issues.map(({ path, message }) => [String(path[0]), message])),
    };
  }
  const input = parsed.data;
  const errors: Record<string, string> = {};
  const priceMinor = toMinor(Number(input.price), input.currency);
  const opens = parseTimeOfDay(input.opening_time);
  const closes = parseEndOfRange(input.closing_time);
  const slotsMax = Math.min(slotsPerBookingMax, Math.floor((closes - opens) / input.slot_minutes));
  const priceError = faultOfPrice(priceMinor, input.currency, Math.max(1, slotsMax));
  if (priceError) errors['price'] = priceError;
  if (closes <= opens) errors['closing_time'] = 'The closing time must be after the opening time.';
  else if ((closes - opens) % input.slot_minutes !== 0) {
    errors['slot_minutes'] =
      `The ${closes - opens} minutes from opening to closing must be a whole number of slots.`;
  }
  if (input.amenities.length > amenitiesMax || input.amenities.some((amenity) => amenity.length > 50)) {
    errors['amenities'] = `Enter at most ${amenitiesMax} amenities of at most 50 characters each.`;
  }
  if (Object.keys(errors).length > 0 || priceMinor === undefined) return { errors };
  return {
    fields: {
      name: input.name,
      description: input.description,
      price_minor: priceMinor,
      currency: input.currency,
      capacity: input.capacity,
      amenities: input.amenities,
      is_available: input.available === 'yes',
      slot_duration_minutes: input.slot_minutes,
      opening_time: input.opening_time,
      closing_time: formatTimeOfDay(closes),
      time_zone: input.time_zone,
    },
  };
}

/**
 * What is wrong with a price, if anything. Neither the shortest nor the longest booking may cost an amount that Stripe
 * refuses: otherwise a guest would be the first to find out.
 */
function faultOfPrice(
  priceMinor: number | undefined,
  currency: string,
  slotsMax: number,
): string | undefined {
  const code = currency.toUpperCase();
  if (priceMinor === undefined) return `${code} does not have that many decimal places.`;
  if (priceMinor < chargeLeastMinor(currency)) {
    return `The minimum that Stripe charges is ${showAmount(chargeLeastMinor(currency), currency)}.`;
  }
  const stepMinor = chargeStepMinor(currency);
  const mostMinor = Math.floor(chargeMostMinor(currency) / slotsMax / stepMinor) * stepMinor;
  if (priceMinor > mostMinor) {
    const most = showAmount(chargeMostMinor(currency), currency);
    return `Must be at most ${showAmount(mostMinor, currency)}: a booking of ${slotsMax} slots would otherwise cost more than ${most}, the most that Stripe charges at once.`;
  }
  if (priceMinor % stepMinor !== 0) {
    return `Stripe only charges ${code} in multiples of ${toMajor(stepMinor, currency)}.`;
  }
  return undefined;
}

/** The form's values for a new room. */
export const emptyRoom: Form = {
  name: '',
  description: '',
  price: '',
  currency: 'usd',
  capacity: '',
  amenities: '',
  time_zone: 'UTC',
  opening_time: '09:00',
  closing_time: '18:00',
  slot_minutes: '30',
};

/** The form's values for an existing room. */
export function formOfRoom(room: Room): Form {
  return {
    name: room.name,
    description: room.description,
    price: String(toMajor(room.price_minor, room.currency)),
    currency: room.currency,
    capacity: String(room.capacity),
    amenities: room.amenities.join(', '),
    time_zone: room.time_zone,
    opening_time: room.opening_time.slice(0, 5),
    closing_time: room.closing_time.slice(0, 5),
    slot_minutes: String(room.slot_duration_minutes),
    ...(room.is_available && { available: 'yes' }),
    version: String(room.version),
  };
}
