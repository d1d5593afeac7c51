/**
 * The answer of a program that takes no arguments to one that is given arguments all the same: its help (exit code 0),
 * or a refusal (2). `npm run api -- --help` must not start an API.
 * @returns undefined when there are no arguments, and the program starts
 */
export function answerToArguments(
  help: string,
  args: readonly string[],
): { exitCode: 0 | 2; text: string } | undefined {
  const [first] = args;
  if (first === undefined) return undefined;
  if (args.includes('--help') || args.includes('-h')) return { exitCode: 0, text: help.trim() };
  return { exitCode: 2, text: `Unexpected argument '${first}'. Try --help.` };
}
