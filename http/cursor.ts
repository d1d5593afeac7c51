import { integerMax } from '../domain/limits.ts';
import { Problem } from '../domain/problems.ts';

/** The cursor of the page that begins after the row with this id; opaque to clients. */
export const encodeCursor = (id: number): string => Buffer.from(`before:${id}`).toString('base64url');

/** @throws Problem invalid_cursor for a text that `encodeCursor` does not write */
export function decodeCursor(cursor: string): number {
  const id = /^before:([1-9]\d{0,9})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1];
  if (!id || Number(id) > integerMax || encodeCursor(Number(id)) !== cursor)
    throw new Problem('invalid_cursor');
  return Number(id);
}
