import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { UsageError } from './command.ts';

/**
 * Reads a password: at a terminal hidden and typed twice, otherwise the first line of the input.
 * @throws UsageError when it is empty, or when the two differ
 */
export async function askPassword(options: { fromStdin: boolean }): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY && !options.fromStdin) {
    throw new UsageError('There is no terminal to ask for the password: use --password-stdin.');
  }
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // At a terminal readline echoes what is typed, here into nowhere. A history would offer the password on "up".
  const lines = createInterface(
    stdin.isTTY ? { input: stdin, output: nowhere, terminal: true, historySize: 0 } : { input: stdin },
  );
  // One iterator for both lines, because if they are pasted at once the second arrives before it is asked for.
  const typed = lines[Symbol.asyncIterator]();
  async function nextLine(prompt: string): Promise<string> {
    if (stdin.isTTY) stderr.write(prompt);
    const line = await typed.next();
    if (stdin.isTTY) stderr.write('\n');
    if (line.done || line.value === '') throw new UsageError('No password was given; nothing was changed.');
    return line.value;
  }
  try {
    const password = await nextLine('Password (hidden as you type): ');
    if (stdin.isTTY && (await nextLine('Repeat the password: ')) !== password) {
      throw new UsageError('The two passwords differ; nothing was changed.');
    }
    return password;
  } finally {
    lines.close();
  }
}
