import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { projectDir } from '../../dev/project-dir.ts';

/** Far longer than a program takes to say so, on a busy machine too. */
const timeout = 100_000;

async function run(
  file: string,
  argument: string,
): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const { PATH = '', HOME = '' } = process.env;
  const options = { cwd: projectDir, env: { PATH, HOME }, timeout };
  try {
    return {
      code: 0,
      ...(await promisify(execFile)(process.execPath, ['--import', 'tsx', file, argument], options)),
    };
  } catch (error) {
    return error as { code: unknown; stdout: string; stderr: string };
  }
}

describe('programs that act as soon as they start', { timeout: timeout + 10_000 }, () => {
  test.each([
    ['npm start', 'dev/main.ts'],
    ['npm run api', 'api/main.ts'],
    ['npm run worker', 'worker/main.ts'],
    ['npm run schema:dump', 'dev/schema-dump.ts'],
    ['npm run poolers', 'test/poolers/main.ts'],
    ['npm run screenshots', 'test/e2e/screenshots.ts'],
    ['npm run security', 'test/security/main.ts'],
    ['npm run histories', 'test/workflow/save-histories.ts'],
    ['npm run sbom', 'test/security/sbom.ts'],
  ])('%s explains itself instead when asked to', async (name, file) => {
    const { code, stdout } = await run(file, '--help');
    expect([code, stdout.split('\n')[0]]).toEqual([0, expect.stringContaining(name)]);
  });

  test('the API does not start for an option that it does not know', async () => {
    const { code, stdout, stderr } = await run('api/main.ts', '--port=1');
    expect([code, stdout, stderr]).toEqual([2, '', "Unexpected argument '--port=1'. Try --help.\n"]);
  });
});
