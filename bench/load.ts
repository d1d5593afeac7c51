import type { Job } from './load/job.ts';
import { runModel } from './load/models.ts';
import { openTarget } from './load/targets.ts';

// The load generator: a process of its own, so that the bench's bookkeeping delays no request. It receives jobs, runs
// one at a time, and ends with the process that forked it.

async function run({ target, model }: Job) {
  const open = await openTarget(target);
  try {
    return await runModel(open, model);
  } finally {
    await open.close();
  }
}

process.on('message', (job: Job) => {
  run(job).then(
    (result) => process.send?.({ result }),
    (error: unknown) =>
      process.send?.({ error: error instanceof Error ? (error.stack ?? '') : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
// A Ctrl-C in the terminal reaches this process too; the bench stops it in its own order.
process.on('SIGINT', () => {});
process.send?.('ready');
