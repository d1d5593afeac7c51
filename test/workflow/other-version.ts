import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

export interface Edit {
  /** A file of workflows/. */
  file: string;
  from: string;
  to: string;
}

const project = fileURLToPath(new URL('../../', import.meta.url));
const silent = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/**
 * The workflows as a later release might have them: a copy in a temporary directory, edited and bundled.
 * @throws when the text to be replaced is not there, so that an edit never turns into nothing unseen
 */
export async function bundleOtherVersion(edits: Edit[]): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'other-version-'));
  try {
    for (const folder of ['workflows', 'domain']) {
      cpSync(join(project, folder), join(dir, folder), { recursive: true });
    }
    symlinkSync(join(project, 'node_modules'), join(dir, 'node_modules'));
    for (const { file, from, to } of edits) {
      const path = join(dir, 'workflows', file);
      const text = readFileSync(path, 'utf8');
      if (!text.includes(from)) throw new Error(`${file} has no «${from}»: this edit must follow the code`);
      writeFileSync(path, text.replace(from, to));
    }
    const workflowsPath = join(dir, 'workflows/index.ts');
    const { code } = await bundleWorkflowCode({ workflowsPath, logger: silent });
    return code;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
