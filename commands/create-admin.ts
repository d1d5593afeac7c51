import { createInterface } from 'node:readline';
import { createPasswords } from '../core/accounts/passwords.ts';
import { makeStaff } from '../db/users.ts';
import { canonicalEmail } from '../domain/email.ts';
import { passwordFault } from '../domain/password.ts';
import { askPassword } from './ask-password.ts';
import { runCommand, UsageError, withDatabase } from './command.ts';

const help = `
npm run create-admin -- [--email ADDRESS] [--password-stdin]

Creates a staff account, or makes an existing account staff with a new password.
An existing account is activated and signed out everywhere immediately: access
tokens already issued stop working.
At a terminal it asks for what is missing. With --password-stdin the password is
the first line of the input.
Needs DATABASE_URL (environment or .env).
`;

/** Asks for the e-mail address, which is shown as it is typed. */
async function askEmail(): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const typed = await new Promise<string>((resolve) => {
    lines.question('E-mail address: ', (line) => {
      resolve(line);
      // Closing immediately hides a password that was pasted along with the address.
      lines.close();
    });
    lines.once('close', () => resolve('')); // Ctrl+C, Ctrl+D
  });
  if (typed === '') throw new UsageError('No address was given; nothing was changed.');
  return typed;
}

function readEmail(text: string): string {
  const email = canonicalEmail(text);
  if (!email) throw new UsageError(`${JSON.stringify(text)} is not an e-mail address.`);
  return email;
}

await runCommand({
  help,
  options: { email: { type: 'string' }, 'password-stdin': { type: 'boolean' } },
  async run(values) {
    const option = values['email'] as string | undefined;
    if (option === undefined && !process.stdin.isTTY) throw new UsageError('--email is missing.');
    await withDatabase(async (db) => {
      const email = readEmail(option ?? (await askEmail()));
      const password = await askPassword({ fromStdin: values['password-stdin'] === true });
      const fault = passwordFault(password, email);
      if (fault) throw new UsageError(fault);
      const { id, known } = await makeStaff(db, email, await createPasswords().hash(password));
      const note = known ? ', an existing account, now signed out everywhere' : '';
      console.log(`${email} is now staff (user ${id}${note}).`);
    });
  },
});
