/**
 * Ends a `switch` over every member of a type: a member that is added later does not compile there.
 * @throws always; a value of no known member is a bug
 */
export function unreachable(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
