// Preloaded (`node --import`) into the processes that `npm start` spawns: their stdin is a pipe that only the
// parent holds, so its end means the parent is gone, however it died. Nobody is left behind to hold a port.
import { isMainThread } from 'node:worker_threads';

const stopMsMax = 10_000;

if (isMainThread) {
  const stop = () => {
    // The ordinary way first: the process's own handler drains and closes.
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.exit(1), stopMsMax).unref();
  };
  process.stdin.once('close', stop).once('error', () => {});
  process.stdin.resume();
  // Listening must not keep a process alive that is done.
  process.stdin.unref?.();
}
