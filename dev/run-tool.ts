import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** How a short-lived tool ended. `code` is null when it could not be started, was killed or took too long. */
export interface ToolResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a tool to its end and collects what it says. Never rejects. Neither it nor its children outlive us. */
export function runTool(
  command: string,
  args: readonly string[],
  options: { timeoutMs?: number; cwd?: string; env?: NodeJS.ProcessEnv; uid?: number; gid?: number } = {},
): Promise<ToolResult> {
  const { timeoutMs = 10_000, ...rest } = options;
  return new Promise((resolve) => {
    // A group of its own, since a tool may be a wrapper (pyenv's python3): killing it alone would leave the real one.
    const child = spawn(command, args, { ...rest, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = () => killGroup(child.pid);
    const timer = setTimeout(kill, timeoutMs);
    process.once('exit', kill);
    const settle = (code: number | null, complaint = '') => {
      clearTimeout(timer);
      process.off('exit', kill);
      resolve({ code, stdout, stderr: stderr || complaint });
    };
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (bytes) => (stdout += bytes));
    child.stderr.on('data', (bytes) => (stderr += bytes));
    child.once('error', (error) => settle(null, error.message));
    child.once('close', (code, signal) => settle(code, signal ?? ''));
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** The first executable file of that name in PATH. */
export function findOnPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((dir) => join(dir, name))
    .find(isExecutable);
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The last line with something in it: what most tools end their complaint with. */
export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}

/** Says every few seconds that something still goes on, until it is done. */
export async function withProgress<T>(
  what: string,
  log: (line: string) => void,
  work: Promise<T>,
  everyMs = 5_000,
): Promise<T> {
  const startedMs = Date.now();
  const timer = setInterval(() => log(`${what} … ${Math.round((Date.now() - startedMs) / 1000)} s`), everyMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
