/**
 * Calls that come while one is under way share its answer. For what anybody may ask without being counted: however
 * many ask at once, the work is done once.
 */
export function shareWhileUnderWay<T>(ask: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return () => {
    underWay ??= ask().finally(() => (underWay = undefined));
    return underWay;
  };
}
