import { z } from 'zod';
import type { Room } from '../../db/models.ts';
import type { RoomFields } from './queries/rooms.ts';
import { guestCountMax, integerMax, slotsPerBookingMax } from '../../domain/limits.ts';
import { chargeStepMinor, toMajor, toMinor } from '../../domain/money.ts';
import { isTimeZone, parseTimeOfDay } from '../../domain/slots.ts';
import { text, timeOfDay } from '../../http/schemas.ts';
import type { Form } from './form.ts';

/** A booking's amount is a 32-bit integer, and a booking has at most so many slots. */
const priceMinorMax = Math.floor(integerMax / slotsPerBookingMax);
const amenitiesMax = 30;

const currencies = new Set(Intl.supportedValuesOf('currency').map((code) => code.toLowerCase()));
export const timeZones = ['UTC', ...Intl.supportedValuesOf('timeZone')];

const whole = (min: number, max: number) =>
  z
    .string()
    .trim()
    .regex(/^\d{1,9}$/, { error: `A whole number from ${min} to ${max}.` })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error: `A whole number from ${min} to ${max}.` });

const shape = z.object({
  name: text(100).trim().min(1, { error: 'Give the room a name.' }),
  description: text(2_000).trim(),
  price: z
    .string()
    .trim()
    .regex(/^\d{1,8}(\.\d{1,3})?$/, { error: 'An amount like 50 or 49.50.' }),
  currency: z
    .string()
    .trim()
    .toLowerCase()
    .refine((code) => currencies.has(code), { error: 'A currency code of three letters, like usd.' }),
  capacity: whole(1, guestCountMax),
  amenities: text(2_000).transform((list) =>
    list
      .split(/[\n,]/)
      .map((one) => one.trim())
      .filter(Boolean),
  ),
  time_zone: text(64)
    .trim()
    .refine((zone) => zone !== '' && isTimeZone(zone), { error: 'A time zone like Europe/Berlin.' }),
  opening_time: timeOfDay,
  closing_time: timeOfDay,
  slot_minutes: whole(5, 1_440),
  available: z.string().optional(),
});

export type RoomErrors = Readonly<Record<string, string>>;
export type ReadRoom = { fields: RoomFields } | { errors: RoomErrors };

/** Reads the form of a room: all of its fields right, or what is wrong with each. */
export function readRoomForm(form: Form): ReadRoom {
  const parsed = shape.safeParse({ ...emptyRoom, ...form });
  if (!parsed.success) {
    return {
      errors: Object.fromEntries(parsed.error.issues.map(({ path, message }) => [String(path[0]), message])),
    };
  }
  const given = parsed.data;
  const errors: Record<string, string> = {};
  const priceMinor = toMinor(Number(given.price), given.currency);
  const priceError = faultOfPrice(priceMinor, given.currency);
  if (priceError) errors['price'] = priceError;
  const opens = parseTimeOfDay(given.opening_time);
  const closes = parseTimeOfDay(given.closing_time);
  if (closes <= opens) errors['closing_time'] = 'The room must close after it opens.';
  else if ((closes - opens) % given.slot_minutes !== 0) {
    errors['slot_minutes'] = `The ${closes - opens} minutes from opening to closing must be whole slots.`;
  }
  if (given.amenities.length > amenitiesMax || given.amenities.some((one) => one.length > 50)) {
    errors['amenities'] = `At most ${amenitiesMax}, each at most 50 characters.`;
  }
  if (Object.keys(errors).length > 0 || priceMinor === undefined) return { errors };
  return {
    fields: {
      name: given.name,
      description: given.description,
      price_minor: priceMinor,
      currency: given.currency,
      capacity: given.capacity,
      amenities: given.amenities,
      is_available: given.available === 'yes',
      slot_duration_minutes: given.slot_minutes,
      opening_time: given.opening_time,
      closing_time: given.closing_time,
      time_zone: given.time_zone,
    },
  };
}

/** What is wrong with a price, if anything: one that Stripe would refuse must not wait for a guest to find out. */
function faultOfPrice(priceMinor: number | undefined, currency: string): string | undefined {
  const code = currency.toUpperCase();
  if (priceMinor === undefined) return `${code} does not have that many decimals.`;
  if (priceMinor < 1 || priceMinor > priceMinorMax) {
    return `More than nothing, and at most ${toMajor(priceMinorMax, currency)}.`;
  }
  const stepMinor = chargeStepMinor(currency);
  if (priceMinor % stepMinor !== 0) {
    return `Stripe charges ${code} in steps of ${toMajor(stepMinor, currency)} only.`;
  }
  return undefined;
}

/** A room that does not exist yet, as the form shows it. */
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

/** A room as its form shows it. */
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
