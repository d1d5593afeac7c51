import { spawn } from 'node:child_process';
import { projectDir } from '../project-dir.ts';

/**
 * Starts a shell that waits on a pipe from us. When the pipe ends without a message, because we were killed, it runs
 * clean-up.ts, which stops the processes that the record still names. It costs a megabyte while it waits.
 *
 * @param removeDir also deleted then (temporary directories of tests)
 * @returns tells the watchdog that it is not needed
 */
export function startWatchdog(recordFile: string, removeDir?: string): () => void {
  const script = 'read -r word && exit 0; exec "$@"';
  const cleanUp = [
    process.execPath,
    '--import',
    'tsx',
    'dev/processes/clean-up.ts',
    recordFile,
    ...(removeDir ? [removeDir] : []),
  ];
  const shell = spawn('/bin/sh', ['-c', script, 'watchdog', ...cleanUp], {
    cwd: projectDir,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => {}); // Without the shell only the clean-up after a SIGKILL is missing.
  shell.stdin.on('error', () => {});
  // The shell must not keep this process alive.
  shell.unref();
  (shell.stdin as unknown as { unref?: () => void }).unref?.();
  return () => {
    shell.stdin.end('done\n');
  };
}
