import { type Db, rows } from '../db/knex.ts';
import { noteStaffEvent } from '../db/panel/staff-events.ts';
import { createPasswords } from '../db/passwords.ts';
import { revokeUserSessions } from '../db/sessions.ts';
import { canonicalEmail } from '../domain/email.ts';
import { passwordFault } from '../domain/password.ts';
import { askPassword } from './ask-password.ts';
import { runCommand, UsageError, withDatabase } from './command.ts';

const help = `
npm run create-admin -- --email ADDRESS [--password-stdin]

Makes a staff account, or makes an existing account staff with a new password.
The existing account is activated and signed out everywhere. An access token
that is out already opens nothing of staff's, and for at most 30 minutes what a
guest may do.
Asks for the password; with --password-stdin it is the first line of the input.
Needs DATABASE_URL (environment or .env).
`;

/** Whoever resets a password that leaked expects that nobody stays signed in with it. */
async function makeStaff(
  db: Db,
  email: string,
  passwordHash: string,
): Promise<{ id: number; known: boolean }> {
  return db.transaction(async (trx) => {
    const [user] = await rows<{ id: number; known: boolean }>(
      trx,
      `insert into users (email, password_hash, is_staff, is_superuser) values (?, ?, true, true)
       on conflict (email) do update set password_hash = excluded.password_hash, is_staff = true,
         is_superuser = true, is_active = true
       returning id, xmax <> 0 as known`,
      [email, passwordHash],
    );
    if (!user) throw new Error('Postgres returned no account.');
    await revokeUserSessions(trx, user.id, 'staff');
    await noteStaffEvent(trx, {
      // Nobody is signed in at the command line: the account itself stands for whoever had the database's password.
      actorId: user.id,
      action: 'made_staff',
      subjectKind: 'user',
      subjectId: user.id,
      detail: 'On the command line (create-admin), with a new password; open sessions were ended.',
    });
    return user;
  });
}

await runCommand({
  help,
  options: { email: { type: 'string' }, 'password-stdin': { type: 'boolean' } },
  async run(values) {
    if (typeof values['email'] !== 'string') throw new UsageError('--email is missing.');
    const email = canonicalEmail(values['email']);
    if (!email) throw new UsageError(`${JSON.stringify(values['email'])} is not an e-mail address.`);
    const { id, known } = await withDatabase(async (db) => {
      const password = await askPassword({ fromStdin: values['password-stdin'] === true });
      const fault = passwordFault(password, email);
      if (fault) throw new UsageError(fault);
      return makeStaff(db, email, await createPasswords().hash(password));
    });
    const before = known ? ', an account that was there already; it is signed out everywhere' : '';
    console.log(`${email} is staff now (user ${id}${before}).`);
  },
});
