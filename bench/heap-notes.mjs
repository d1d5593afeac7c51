// Preloaded (`node --import`) into API and worker for the soak: notes what each of their heaps has left in the old
// generation after a full collection. That is what is kept; resident memory also follows the size of the heaps, the
// compiler's code and the allocators, for an hour or more.
import { appendFileSync } from 'node:fs';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { isMainThread } from 'node:worker_threads';

const file = `${process.env.BENCH_HEAP_NOTES}-${isMainThread ? 'main' : 'thread'}`;

new PerformanceObserver((list) => {
  const full = list.getEntries().some(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR);
  if (!full) return;
  const old = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space');
  appendFileSync(file, `${Date.now()} ${old.space_used_size}\n`);
}).observe({ entryTypes: ['gc'] });
