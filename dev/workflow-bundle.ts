import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflows } from '../worker/bundle.ts';

/** Bundles the workflows once for many workers. @returns the path of the bundle, for WORKFLOW_BUNDLE */
export async function writeWorkflowBundle(dir: string): Promise<string> {
  const file = join(dir, 'workflows.js');
  writeFileSync(file, await bundleWorkflows());
  return file;
}
