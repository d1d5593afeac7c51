import { raiseFlag } from '../../db/flags.ts';
import { type Db, rows } from '../../db/knex.ts';
import { listOpenStays, lockOpenStays, type OpenStay, writeInstants } from '../../db/stay-instants.ts';
import { resolveRange } from '../../domain/slots.ts';

export interface InstantsCheck {
  corrected: number;
  /** Where the next part begins; 0 when all open bookings have been seen. */
  nextAfterId: number;
}

/**
 * Compares the instants of a part of the open bookings with their wall-clock time, and corrects those that differ: the
 * rules of a time zone have changed, two processes have different time zone data, or a room's zone was changed past the
 * service. The wall-clock time is the truth. Nobody can be asked, so a time that the new rules skip or repeat is resolved
 * by `resolveRange`, and staff finds a flag for each booking.
 */
export async function correctInstants(
  db: Db,
  { afterId, limit, actor }: { afterId: number; limit: number; actor: string },
): Promise<InstantsCheck> {
  const part = await listOpenStays(db, afterId, limit);
  const rooms = new Set(part.filter(isWrong).map(({ roomId }) => roomId));
  let corrected = 0;
  for (const roomId of rooms) corrected += await correctRoom(db, roomId, actor);
  return { corrected, nextAfterId: part.length < limit ? 0 : (part.at(-1)?.id ?? 0) };
}

/** Corrects all open bookings of one room, under its lock, so that no booking is made by the old rules meanwhile. */
async function correctRoom(db: Db, roomId: number, actor: string): Promise<number> {
  return db.transaction(async (trx) => {
    await rows(trx, 'select 1 from rooms where id = ? for no key update', [roomId]);
    const wrong = (await lockOpenStays(trx, roomId)).filter(isWrong);
    const [first] = wrong;
    if (!first) return 0;
    const moved = wrong.map((stay) => ({ id: stay.id, ...instantsNow(stay) }));
    await writeInstants(trx, moved, { timeZone: first.roomTimeZone, actor, cause: 'clock_rules_changed' });
    for (const stay of wrong) await raiseFlag(trx, flagOf(stay));
    return wrong.length;
  });
}

const instantsNow = (stay: OpenStay) =>
  resolveRange(stay.date, stay.startMinute, stay.endMinute, stay.roomTimeZone);

/** A stay that is over is not moved. */
function isWrong(stay: OpenStay): boolean {
  if (stay.endsAt <= stay.now) return false;
  const { startsAt, endsAt } = instantsNow(stay);
  return (
    stay.timeZone !== stay.roomTimeZone ||
    startsAt.getTime() !== stay.startsAt.getTime() ||
    endsAt.getTime() !== stay.endsAt.getTime()
  );
}

function flagOf(stay: OpenStay) {
  const detail =
    `By the clocks of ${stay.roomTimeZone} as they are known now, this booking begins at ` +
    `${instantsNow(stay).startsAt.toISOString()}, not at ${stay.startsAt.toISOString()}. It keeps its time of day.`;
  return { kind: 'clock_rules_changed', subject: stay.ref, detail, bookingId: stay.id } as const;
}
