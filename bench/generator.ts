import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Job, JobResult } from './load/job.ts';

/** Starts a load generator process. `run` takes one job at a time. */
export async function startGenerator() {
  const child: ChildProcess = fork(fileURLToPath(new URL('./load.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  // If the channel closes during a job, the job's own wait for the exit reports it.
  child.on('error', () => {});
  const next = () =>
    new Promise<unknown>((resolve, reject) => {
      const gone = () => reject(new Error('the load generator has ended'));
      if (child.exitCode !== null || child.signalCode !== null) return gone();
      child.once('exit', gone);
      child.once('message', (message) => {
        child.off('exit', gone);
        resolve(message);
      });
    });
  await next();
  return {
    pid: child.pid as number,
    async run(job: Job): Promise<JobResult> {
      const answer = next();
      child.send(job);
      const { result, error } = (await answer) as { result?: JobResult; error?: string };
      if (!result) throw new Error(`the load generator failed: ${error}`);
      return result;
    },
    stop: (): void => void child.kill('SIGKILL'),
  };
}

export type Generator = Awaited<ReturnType<typeof startGenerator>>;
