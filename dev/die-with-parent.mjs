// Preloaded (`node --import`) into the processes that `npm start` spawns: their stdin is a pipe that only the parent
// holds, so its end means that the parent is gone, however it died. No process stays behind and holds a port.
import { isMainThread } from 'node:worker_threads';

const stopMsMax = 10_000;

if (isMainThread) {
  const stop = () => {
    // Try the process's own handler first: it drains and closes.
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.exit(1), stopMsMax).unref();
  };
  process.stdin.once('close', stop).once('error', () => {});
  process.stdin.resume();
  // This listener must not keep a finished process alive.
  process.stdin.unref?.();
}
