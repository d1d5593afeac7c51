import { createInterface } from 'node:readline/promises';
import { createPasswords } from '../db/passwords.ts';
import { rows } from '../db/knex.ts';
import { canonicalEmail } from '../domain/email.ts';
import { passwordCharsMin } from '../domain/limits.ts';
import { runCommand, UsageError, withDatabase } from './command.ts';

const help = `
npm run create-admin -- --email ADDRESS [--password-stdin]

Makes a staff account, or makes an existing account staff with a new password.
Asks for the password; with --password-stdin it is the first line of the input.
Needs DATABASE_URL (environment or .env).
`;

async function readPassword(fromStdin: boolean): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: fromStdin ? undefined : process.stdout });
  try {
    if (!fromStdin) return await lines.question('Password (it is shown as you type): ');
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}

await runCommand({
  help,
  options: { email: { type: 'string' }, 'password-stdin': { type: 'boolean' } },
  async run(values) {
    if (typeof values['email'] !== 'string') throw new UsageError('--email is missing.');
    const email = canonicalEmail(values['email']);
    if (!email) throw new UsageError(`${values['email']} is not an e-mail address.`);
    const password = await readPassword(values['password-stdin'] === true);
    if ([...password].length < passwordCharsMin) {
      throw new UsageError(`The password needs at least ${passwordCharsMin} characters.`);
    }
    const passwordHash = await createPasswords().hash(password);
    const [made] = await withDatabase((db) =>
      rows<{ id: number; known: boolean }>(
        db,
        `insert into users (email, password_hash, is_staff, is_superuser) values (?, ?, true, true)
         on conflict (email) do update set password_hash = excluded.password_hash, is_staff = true,
           is_superuser = true, is_active = true
         returning id, xmax <> 0 as known`,
        [email, passwordHash],
      ),
    );
    console.log(
      `${email} is staff now (user ${made?.id}${made?.known ? ', an account that was there already' : ''}).`,
    );
  },
});
