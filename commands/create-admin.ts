import { createInterface } from 'node:readline';
import { createPasswords } from '../core/accounts/passwords.ts';
import { makeStaff } from '../db/users.ts';
import { canonicalEmail } from '../domain/email.ts';
import { passwordFault } from '../domain/password.ts';
import { askPassword } from './ask-password.ts';
import { runCommand, UsageError, withDatabase } from './command.ts';

const help = `
npm run create-admin -- [--email ADDRESS] [--password-stdin]

Makes a staff account, or makes an existing account staff with a new password.
The existing account is activated and signed out everywhere, at once: an access
token that is out already opens nothing any more.
Asks for what is not given, at a terminal; with --password-stdin the password
is the first line of the input.
Needs DATABASE_URL (environment or .env).
`;

/** Asks for the address, as `askPassword` asks for the password, but it is shown as it is typed. */
async function askEmail(): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const typed = await new Promise<string>((resolve) => {
    lines.question('E-mail address: ', (line) => {
      resolve(line);
      // At once: when a password is pasted with the address, no letter of it is shown.
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
    const given = values['email'] as string | undefined;
    if (given === undefined && !process.stdin.isTTY) throw new UsageError('--email is missing.');
    await withDatabase(async (db) => {
      const email = readEmail(given ?? (await askEmail()));
      const password = await askPassword({ fromStdin: values['password-stdin'] === true });
      const fault = passwordFault(password, email);
      if (fault) throw new UsageError(fault);
      const { id, known } = await makeStaff(db, email, await createPasswords().hash(password));
      const before = known ? ', an account that was there already; it is signed out everywhere' : '';
      console.log(`${email} is staff now (user ${id}${before}).`);
    });
  },
});
