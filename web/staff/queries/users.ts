import { type Db, rows } from '../../../db/knex.ts';
import { revokeUserSessions } from '../../../db/sessions.ts';
import type { UserListRow } from './lists.ts';
import { noteStaffEvent } from '../../../db/staff-events.ts';

export const userChanges = ['make_staff', 'remove_staff', 'deactivate', 'activate', 'end_sessions'] as const;
export type UserChange = (typeof userChanges)[number];

const audited: Record<UserChange, string> = {
  make_staff: 'made_staff',
  remove_staff: 'staff_removed',
  deactivate: 'deactivated',
  activate: 'activated',
  end_sessions: 'sessions_ended',
};

export async function findUser(db: Db, id: number): Promise<UserListRow | undefined> {
  const [user] = await rows<UserListRow>(
    db,
    'select id, email, is_staff, is_active, created_at from users where id = ?',
    [id],
  );
  return user;
}

/**
 * Changes what a user may do. Both accounts are locked, and the actor must still be staff under that lock: if two
 * members of staff remove each other's role at the same time only one succeeds, so somebody always keeps it. A user who
 * is deactivated is signed out everywhere; one who loses the role is signed out of the panel.
 */
export async function changeUser(
  db: Db,
  actorId: number,
  userId: number,
  change: UserChange,
): Promise<'done' | 'not_found' | 'not_allowed'> {
  return db.transaction(async (trx) => {
    const locked = await rows<UserListRow>(
      trx,
      'select id, is_staff, is_active from users where id = any(?) order by id for update',
      [[actorId, userId]],
    );
    const actor = locked.find((user) => user.id === actorId);
    if (!locked.some((user) => user.id === userId)) return 'not_found';
    if (!actor?.is_staff || !actor.is_active || actorId === userId) return 'not_allowed';
    await apply(trx, userId, change);
    await noteStaffEvent(trx, { actorId, action: audited[change], subjectKind: 'user', subjectId: userId });
    return 'done';
  });
}

async function apply(trx: Db, userId: number, change: UserChange): Promise<void> {
  switch (change) {
    case 'make_staff':
      await trx('users').where('id', userId).update({ is_staff: true });
      return;
    case 'remove_staff':
      await trx('users').where('id', userId).update({ is_staff: false, is_superuser: false });
      return revokeUserSessions(trx, userId, 'staff', 'panel');
    case 'deactivate':
      await trx('users').where('id', userId).update({ is_active: false });
      return revokeUserSessions(trx, userId, 'staff');
    case 'activate':
      await trx('users').where('id', userId).update({ is_active: true });
      return;
    case 'end_sessions':
      return revokeUserSessions(trx, userId, 'staff');
  }
}
