import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

/** One change: a row put under a kind and an id, or removed when the row is null. */
export type Change = [kind: string, id: string, row: unknown];

export interface Journal {
  put(kind: string, id: string, row: unknown): void;
  /** Resolves when every change so far has been given to the operating system. */
  commit(): Promise<void>;
  /** Commits what is left and closes the file. */
  close(): Promise<void>;
}

/**
 * State that outlives a SIGKILL: an append-only file, one line of JSON per batch of changes. A batch
 * holds whole requests, so a line that was cut short by the kill belongs to requests that nobody got
 * an answer for, and is dropped. At the start the file is read into `load` and rewritten from `dump`.
 * Writing never blocks: while one batch is being written, the changes that come are gathered into the
 * next. Rows are serialised when their batch is written. There is no fsync: the state survives the
 * death of the process, not of the machine.
 */
export async function openJournal(
  file: string | undefined,
  load: (change: Change) => void,
  dump: () => Iterable<Change>,
): Promise<Journal> {
  if (file === undefined) return { put() {}, commit: async () => {}, close: async () => {} };
  await mkdir(dirname(file), { recursive: true });
  if (existsSync(file)) await readJournal(file, load);
  return appendTo(await compact(file, dump()));
}

async function readJournal(file: string, load: (change: Change) => void): Promise<void> {
  const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity });
  let number = 0;
  let torn = 0;
  for await (const line of lines) {
    number += 1;
    if (line === '') continue;
    if (torn > 0) throw new Error(`The state file ${file} is damaged at line ${torn}.`);
    let changes: Change[];
    try {
      changes = JSON.parse(line) as Change[];
    } catch {
      torn = number;
      continue;
    }
    for (const change of changes) load(change);
  }
}

/** Writes the live rows to a new file, puts it in the place of the old one and leaves it open. */
async function compact(file: string, rows: Iterable<Change>): Promise<FileHandle> {
  const fresh = `${file}.new`;
  await rm(fresh, { force: true });
  const handle = await open(fresh, 'a');
  let text = '';
  for (const row of rows) {
    text += `${JSON.stringify([row])}\n`;
    if (text.length < 1_000_000) continue;
    await handle.appendFile(text);
    text = '';
  }
  await handle.appendFile(text);
  await rename(fresh, file);
  return handle;
}

function appendTo(handle: FileHandle): Journal {
  let dirty = new Map<string, Change>();
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  let isClosed = false;

  async function write(): Promise<void> {
    const batch = [...dirty.values()];
    dirty = new Map();
    next = undefined;
    if (batch.length > 0) await handle.appendFile(`${JSON.stringify(batch)}\n`);
  }

  function commit(): Promise<void> {
    // After the close nobody is left to answer: what still runs is cut off, as by a kill.
    if (isClosed || dirty.size === 0) return writing;
    if (!next) {
      next = writing.then(write, write);
      writing = next;
    }
    return next;
  }

  return {
    put: (kind, id, row) => void dirty.set(`${kind} ${id}`, [kind, id, row]),
    commit,
    async close() {
      const last = commit();
      isClosed = true;
      await last;
      await handle.close();
    },
  };
}
