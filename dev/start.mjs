// `npm start`: installs the packages when they are missing, then hands over to main.ts, which needs them.
// It stays as main.ts's parent: passes signals on, and its exit code back. When this process dies, main.ts
// sees the IPC channel close and stops everything.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { install } from './install.mjs';

const parentPollMs = 500;

if (process.platform === 'win32') {
  console.error('npm start needs Linux or macOS: on Windows, run it inside WSL (or use docker compose).');
  process.exit(1);
}
if (!install()) process.exit(1);

const projectDir = fileURLToPath(new URL('..', import.meta.url));
const main = spawn(process.execPath, ['--import', 'tsx', 'dev/main.ts'], {
  cwd: projectDir,
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
});

// npm passes SIGTERM on and waits, but when npm itself is killed nobody tells us: watch for another parent.
const parent = process.ppid;
const watching = setInterval(() => {
  if (process.env.npm_lifecycle_event !== 'start' || process.ppid === parent) return;
  clearInterval(watching);
  main.kill('SIGTERM');
}, parentPollMs);
watching.unref();

// A Ctrl-C reaches main.ts twice then, from the terminal and from here; it counts the two as one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => main.kill(signal));

main.on('error', (error) => {
  console.error(`dev/main.ts cannot be started: ${error.message}`);
  process.exitCode = 1;
});
main.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
