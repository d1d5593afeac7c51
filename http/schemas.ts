import { z } from 'zod';
import { integerMax, pageSizeDefault, pageSizeMax, roomPageSizeMax } from '../domain/limits.ts';

/** The shapes that several routes share. Each string and number has a maximum. */

/** Text that Postgres and JSON can carry: no NUL, no half of a surrogate pair. */
export const text = (charsMax: number) =>
  z
    .string()
    .max(charsMax)
    .refine((value) => !value.includes('\0') && isWellFormed(value), {
      error: 'Contains characters that cannot be stored.',
    });

/** `String.prototype.isWellFormed`, which the compiler's library does not know yet. */
function isWellFormed(value: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(value);
}

export const id = z.number().int().min(1).max(integerMax);

/** An id in a path or query, where everything is text. */
export const idText = z
  .string()
  .regex(/^[1-9]\d{0,9}$/)
  .transform(Number)
  .pipe(id);

export const idParams = z.strictObject({ id: idText });

/** A day of the calendar, 1970 to 2999. */
export const date = z.iso.date({ error: 'Use YYYY-MM-DD.' }).refine((value) => /^(19[7-9]|2)/.test(value), {
  error: 'Use a date from 1970 to 2999.',
});

/** A time of day of a room's hours: whole minutes. */
export const timeOfDay = z
  .string()
  .max(8)
  .regex(/^([01]\d|2[0-3]):[0-5]\d(:00)?$|^24:00(:00)?$/, { error: 'Use HH:MM or HH:MM:00.' });

/** A time of day in a request. One with seconds is well-formed, and refused later because no slot begins there. */
export const askedTimeOfDay = z
  .string()
  .max(8)
  .regex(/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$|^24:00(:00)?$/, { error: 'Use HH:MM or HH:MM:SS.' });

/** An instant: ISO 8601 in UTC with `Z`. */
export const instant = z.iso.datetime();

export const limit = z
  .string()
  .regex(/^([1-9]\d?|100)$/, { error: `Use a number from 1 to ${pageSizeMax}.` })
  .transform(Number)
  .pipe(z.number().min(1).max(pageSizeMax))
  .default(pageSizeDefault);

/** Rooms are few and small, and a client that does not know of pages wants all of them. */
export const roomLimit = z
  .string()
  .regex(/^[1-9]\d{0,3}$/, { error: `Use a number from 1 to ${roomPageSizeMax}.` })
  .transform(Number)
  .pipe(
    z
      .number()
      .min(1)
      .max(roomPageSizeMax, { error: `Use a number from 1 to ${roomPageSizeMax}.` }),
  )
  .default(roomPageSizeMax);

/** The cursor of a page; opaque to clients. */
export const cursor = z.string().max(64).optional();

/** A day of next month, for examples: in the future, and within every sensible horizon. */
export const exampleDate = (): string => new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);
