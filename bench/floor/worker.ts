import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';

/** The bench's own worker for the floors: as large as the service's, and it runs only the floors. */
async function main(): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const [address, taskQueue] = process.argv.slice(2);
  if (!address || !taskQueue) throw new Error('usage: worker.ts ADDRESS TASK_QUEUE');
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    maxCachedWorkflows: 1_000,
    maxConcurrentWorkflowTaskExecutions: 50,
  });
  try {
    await worker.run();
  } finally {
    await connection.close();
  }
}

await main();
