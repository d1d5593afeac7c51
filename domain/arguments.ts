/**
 * What a program that takes no arguments says to some, instead of starting: its help (exit code 0), or that it takes none
 * (2). `npm run api -- --help` must not start an API.
 * @returns undefined when there are none
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
