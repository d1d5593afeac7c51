import type { Db } from '../../db/knex.ts';
import { Room } from '../../db/models.ts';
import { noteStaffEvent } from '../../db/staff-events.ts';
import { moveStays } from './move-stays.ts';

/** What staff can set of a room. Times are `HH:MM`, on the room's own clock. */
export type RoomFields = Pick<
  Room,
  | 'name'
  | 'description'
  | 'price_minor'
  | 'currency'
  | 'capacity'
  | 'amenities'
  | 'is_available'
  | 'slot_duration_minutes'
  | 'opening_time'
  | 'closing_time'
  | 'time_zone'
>;

export interface RoomEdit {
  /** The member of staff who edits. */
  actorId: number;
  id: number;
  /** The room as the editor saw it. */
  version: number;
  fields: RoomFields;
  /** Staff says: where the time zone changes, bookings keep their wall-clock time. */
  keepWallClock: boolean;
}

/**
 * Edits a room, if it is still as the editor saw it. Bookings that exist keep their wall-clock times and their price; in
 * another time zone they get other instants, and only if staff says so.
 * @returns false when somebody has changed the room since `version`
 * @throws Problem bookings_ahead, bookings_cannot_move; the violation of `rooms_name_taken`
 */
export async function editRoom(db: Db, edit: RoomEdit): Promise<boolean> {
  const { actorId, fields } = edit;
  return db.transaction(async (trx) => {
    const before = await Room.query(trx).findById(edit.id).forNoKeyUpdate();
    if (before?.version !== edit.version) return false;
    const changes = describeChanges(before, fields);
    if (changes.length === 0) return true;
    if (fields.time_zone !== before.time_zone) {
      const { keepWallClock } = edit;
      await moveStays(trx, {
        id: edit.id,
        timeZone: fields.time_zone,
        keepWallClock,
        actor: `staff:${actorId}`,
      });
    }
    await Room.query(trx).findById(edit.id).patch(fields);
    const detail = changes.join('; ');
    await noteStaffEvent(trx, {
      actorId,
      action: 'room_edited',
      subjectKind: 'room',
      subjectId: edit.id,
      detail,
    });
    return true;
  });
}

function describeChanges(before: Room, after: RoomFields): string[] {
  const plain = (value: unknown) =>
    Array.isArray(value) ? value.join(', ') : String(value).replace(/^(\d\d:\d\d):00$/, '$1');
  return (Object.keys(after) as (keyof RoomFields)[])
    .filter((name) => plain(before[name]) !== plain(after[name]))
    .map((name) => `${name}: ${plain(before[name]).slice(0, 100)} → ${plain(after[name]).slice(0, 100)}`);
}
