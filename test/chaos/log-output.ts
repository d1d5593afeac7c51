import { spawnSync } from 'node:child_process';
import { constants, createWriteStream, openSync, renameSync, symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a reader of a log waits while there is nothing to read, or while it stalls. */
const pauseMs = 50;

/**
 * The standard output of a process: a named pipe, which this process reads into `logFile`. Its reader can stall, and the
 * next start of the process can find a disk that is full instead (`/dev/full`).
 */
export async function openLogOutput(dir: string, name: string, logFile: string) {
  const pipe = join(dir, `${name}.pipe`);
  const output = join(dir, `${name}.output`);
  const { status } = spawnSync('mkfifo', [pipe]);
  if (status !== 0) throw new Error(`mkfifo ${pipe} failed`);
  pointTo(pipe);
  // Opened for writing too, so that a process can open it at any time, and the end of one process does not end the
  // pipe.
  const reader = await open(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const log = createWriteStream('', { fd: openSync(logFile, 'a') });
  let stalls = false;
  let closed = false;
  const reading = read();

  function pointTo(target: string): void {
    symlinkSync(target, `${output}.new`);
    renameSync(`${output}.new`, output);
  }

  async function read(): Promise<void> {
    const buffer = Buffer.alloc(64 * 1024);
    while (!closed) {
      const bytesRead = stalls
        ? 0
        : await reader.read(buffer).then((result) => result.bytesRead, nothingToRead);
      if (bytesRead > 0) log.write(Buffer.from(buffer.subarray(0, bytesRead)));
      else await sleep(pauseMs);
    }
  }

  return {
    /** The standard output that the process is started with. */
    path: output,
    stall(value: boolean): void {
      stalls = value;
    },
    /** From the next start of the process on. */
    fillDisk(value: boolean): void {
      pointTo(value ? '/dev/full' : pipe);
    },
    async close(): Promise<void> {
      closed = true;
      await reading;
      await reader.close();
      log.end();
    },
  };
}

export type LogOutput = Awaited<ReturnType<typeof openLogOutput>>;

function nothingToRead(error: NodeJS.ErrnoException): number {
  if (error.code === 'EAGAIN') return 0;
  throw error;
}
