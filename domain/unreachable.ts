/**
 * The end of a `switch` over a closed set: a case that was forgotten does not compile.
 * @throws Error for a value that the types do not know, such as a database's of another release
 */
export function unreachable(value: never): never {
  throw new Error(`unexpected value: ${String(value)}`);
}
