import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pino } from 'pino';
import { createLogDestination, logOptions } from '../../log.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'log-test-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A pipe without a reader until `read` is called. */
async function openPipe() {
  const path = join(dir, `pipe-${Math.random()}`);
  await once(spawn('mkfifo', [path]), 'exit');
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  return { reader, writer };
}

const line = (n: number) => `${JSON.stringify({ n, text: 'x'.repeat(200) })}\n`;

describe('the log of a process', () => {
  test('writes every line to a file, in order', async () => {
    const path = join(dir, 'plain.log');
    const fd = openSync(path, 'a');
    const destination = createLogDestination(fd, () => {});
    const lines = Array.from({ length: 2_000 }, (_, n) => line(n));
    for (const text of lines) destination.write(text);
    await destination.flush(5_000);
    closeSync(fd);
    expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
    expect(destination.dropped()).toBe(0);
  });

  test('drops and counts what a full disk does not take, and writing never fails', async () => {
    const fd = openSync('/dev/full', 'w');
    const destination = createLogDestination(fd, () => {});
    for (let n = 0; n < 100; n++) destination.write(line(n));
    await destination.flush(5_000);
    closeSync(fd);
    expect(destination.dropped()).toBe(100);
    expect(destination.isStuck()).toBe(false);
  });

  test('drops and counts what a reader that has gone does not take', async () => {
    const { reader, writer } = await openPipe();
    closeSync(reader);
    const destination = createLogDestination(writer, () => {});
    for (let n = 0; n < 50; n++) destination.write(line(n));
    await destination.flush(5_000);
    closeSync(writer);
    expect(destination.dropped()).toBe(50);
  });

  test('keeps at most a mebibyte for a reader that stalls, drops the rest, and says so when it reads again', async () => {
    const { reader, writer } = await openPipe();
    const reported: number[] = [];
    const destination = createLogDestination(writer, (lost) => reported.push(lost));
    const lines = 8_000;
    for (let n = 0; n < lines; n++) destination.write(line(n));
    const dropped = destination.dropped();
    expect(dropped).toBeGreaterThan(lines / 4);
    expect(dropped).toBeLessThan(lines / 2 + 500);
    await destination.flush(50);
    const text = await readAll(reader, () => destination.flush(200));
    expect(text.split('\n').filter(Boolean)).toHaveLength(lines - dropped);
    expect(reported).toEqual([dropped]);
    closeSync(writer);
  });

  test('names its levels and writes the time as ISO 8601', () => {
    let text = '';
    pino(logOptions('api'), { write: (written) => (text += written) }).warn({ a: 1 }, 'hello');
    expect(JSON.parse(text)).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      service: 'api',
      a: 1,
      msg: 'hello',
    });
  });
});

/** Reads a pipe until its writer has nothing left. */
async function readAll(reader: number, settle: () => Promise<void>): Promise<string> {
  const { readSync } = await import('node:fs');
  const chunk = Buffer.alloc(65_536);
  let text = '';
  for (let empty = 0; empty < 5; ) {
    try {
      const bytes = readSync(reader, chunk);
      if (bytes === 0) break;
      text += chunk.toString('utf8', 0, bytes);
      empty = 0;
    } catch {
      empty++;
      await settle();
    }
  }
  closeSync(reader);
  return text;
}
