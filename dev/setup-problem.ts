/**
 * Something outside the program that a person must change: a busy port, a missing tool, a refused download.
 * Its message is one line that says what to set or install, and is shown without a stack.
 */
export class SetupProblem extends Error {
  override name = 'SetupProblem';
}
