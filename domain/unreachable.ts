/** Ends a `switch` over a closed set: a new member fails to compile here instead of falling through. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
