import { spawn, type StdioOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { inject } from 'vitest';
import { projectDir } from '../../dev/project-dir.ts';

/** On SIGUSR2 an unawaited promise is rejected, like an unexpected bug. */
const bug = `data:text/javascript,process.on('SIGUSR2',()=>{Promise.reject(new Error('a bug'))})`;

/** The settings of a production service on this database: random secrets and no real Stripe keys. */
export function productionSettings(databaseUrl: string): Record<string, string> {
  const { address, namespace } = inject('temporal');
  const secret = () => randomBytes(24).toString('hex');
  return {
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    TEMPORAL_TASK_QUEUE: `test-${secret()}`,
    WORKFLOW_BUNDLE: inject('workflowBundle'),
    STRIPE_SECRET_KEY: `sk_test_${secret()}`,
    STRIPE_WEBHOOK_SECRET: `whsec_${secret()}`,
    SECRET_KEY: secret(),
    CLEANUP_TOKEN: secret(),
  };
}

/**
 * Starts API or worker as a process of its own, with these settings and nothing of ours.
 * @param stdio where its output goes; by default it is kept in `output`
 */
export function bootService(
  script: 'api/main.ts' | 'worker/main.ts',
  settings: Record<string, string>,
  stdio: StdioOptions = ['ignore', 'pipe', 'pipe'],
) {
  const child = spawn(process.execPath, ['--import', 'tsx', '--import', bug, script], {
    cwd: projectDir,
    env: { PATH: process.env.PATH, PORT: '0', SHUTDOWN_DELAY_SECONDS: '0', ...settings },
    stdio,
  });
  return { child, ended: once(child, 'exit') as Promise<[code: number | null, signal: string | null]> };
}
