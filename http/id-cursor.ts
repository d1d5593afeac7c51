import { integerMax } from '../domain/limits.ts';
import { Problem } from '../domain/problems.ts';

/** Cursors of a list ordered by id. They are opaque to clients, and refused unless this list issued them. */
export function idCursor(side: 'before' | 'after') {
  const write = (id: number) => Buffer.from(`${side}:${id}`).toString('base64url');
  return {
    /** The cursor of the page that begins at this side of a row. */
    write,
    /** @throws Problem invalid_cursor */
    read(cursor: string): number {
      const [, written, id] =
        /^(before|after):([1-9]\d{0,9})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
      if (written !== side || !id || Number(id) > integerMax || write(Number(id)) !== cursor)
        throw new Problem('invalid_cursor');
      return Number(id);
    },
  };
}
