import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
const silent = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/**
 * The workflows as another release might have them: the current ones, with the steps that an interceptor of releases/
 * adds, removes or changes.
 */
export async function bundleOtherRelease(
  name: 'later' | 'short-runs' | 'step-added' | 'step-taken-away' | 'waits-at-start',
): Promise<string> {
  const interceptors = fileURLToPath(new URL(`./releases/${name}.ts`, import.meta.url));
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [interceptors],
    logger: silent,
  });
  return code;
}
