import { type Db, rows } from './knex.ts';

export type StaffSubject = 'user' | 'room' | 'booking' | 'flag';

export interface StaffEvent {
  actorId: number;
  /** An action in the past tense: `made_staff`, `room_edited`, `refunded` … */
  action: string;
  subjectKind: StaffSubject;
  subjectId: number;
  /** One sentence for a person. */
  detail?: string;
}

/**
 * Records an action of staff. Called inside the transaction that performs it, so that neither exists without the other.
 */
export async function noteStaffEvent(db: Db, event: StaffEvent): Promise<void> {
  await rows(
    db,
    'insert into staff_events (actor_id, action, subject_kind, subject_id, detail) values (?, ?, ?, ?, ?)',
    [event.actorId, event.action, event.subjectKind, event.subjectId, (event.detail ?? '').slice(0, 2_000)],
  );
}

export interface StaffEventRow {
  id: string;
  at: Date;
  actor_id: number;
  actor_email: string;
  action: string;
  detail: string;
}

/** The actions of staff on one subject, newest first. */
export async function listStaffEvents(
  db: Db,
  subjectKind: StaffSubject,
  subjectId: number,
  limit = 100,
): Promise<StaffEventRow[]> {
  return rows<StaffEventRow>(
    db,
    `select e.id, e.at, e.actor_id, u.email as actor_email, e.action, e.detail
       from staff_events e join users u on u.id = e.actor_id
      where e.subject_kind = ? and e.subject_id = ? order by e.id desc limit ?`,
    [subjectKind, subjectId, limit],
  );
}
