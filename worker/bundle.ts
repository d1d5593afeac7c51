import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

/** Bundles the workflows for Temporal's sandbox: one self-contained script. Takes a second or two. */
export async function bundleWorkflows(): Promise<string> {
  const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
  const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: quiet });
  return code;
}

/** `node --import tsx worker/bundle.ts build/workflows.js`: writes the bundle that `WORKFLOW_BUNDLE` names. */
async function main(): Promise<void> {
  const path = resolve(process.argv[2] ?? 'build/workflows.js');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await bundleWorkflows());
  console.log(`Wrote ${path}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
