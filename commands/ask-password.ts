import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { UsageError } from './command.ts';

/**
 * The password: asked for twice and hidden at a terminal, else the first line of the input.
 * @throws UsageError when none comes, or when the two differ
 */
export async function askPassword(options: { fromStdin: boolean }): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY && !options.fromStdin) {
    throw new UsageError('There is no terminal to ask at: use --password-stdin.');
  }
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // At a terminal readline does the echo itself: into nowhere. No history: it would offer the password on "up".
  const lines = createInterface(
    stdin.isTTY ? { input: stdin, output: nowhere, terminal: true, historySize: 0 } : { input: stdin },
  );
  // One iterator for both lines: when they are pasted at once, the second comes before it is asked for.
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
    if (stdin.isTTY && (await nextLine('The same again: ')) !== password) {
      throw new UsageError('The two passwords differ; nothing was changed.');
    }
    return password;
  } finally {
    lines.close();
  }
}
