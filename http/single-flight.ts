/**
 * Calls that come while one is under way share its result. For work that anybody may ask for without a limit: however
 * many ask at once, it is done once.
 */
export function singleFlight<T>(work: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return () => {
    underWay ??= work().finally(() => (underWay = undefined));
    return underWay;
  };
}
