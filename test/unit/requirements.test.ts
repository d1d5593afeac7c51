import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

/** The test files below a folder, each named as the pages name it: by a prefix and its path below that folder. */
const testsIn = (folder: string, prefix = '') =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts') && !file.endsWith('requirements.test.ts'))
    .map((file) => ({ file: `${prefix}${file}`, text: read(`${folder}${file}`) }));

const testFiles = [...testsIn('test/'), ...testsIn('stripe-emulator/test/', 'stripe-emulator/')];

/** The rows of a page's tables, and whether the row, or the heading above it, says that it is left out. */
function rowsOf(page: string) {
  let leftOut = false;
  return read(page)
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith('## ')) leftOut = /left out/i.test(line);
      const id = /^\| ([A-Z]{2}-\d\d) \|/.exec(line)?.[1];
      const here = leftOut || line.includes('**left out**');
      const files = [...line.matchAll(/`([\w/-]+\.test\.ts)`/g)].map(([, file]) => file ?? '');
      return id ? [{ id, leftOut: here, files }] : [];
    });
}

describe.each([
  ['docs/reliability.md', 60],
  ['docs/security.md', 40],
])('%s', (page, rowsMin) => {
  const rows = rowsOf(page);
  const leftOut = new Set(rows.filter((row) => row.leftOut).map(({ id }) => id));

  test('lists its requirements', () => {
    expect(rows.length).toBeGreaterThan(rowsMin);
  });

  test('has a test that carries the id of each, or says why not', () => {
    const missing = rows.filter(
      ({ id }) => !leftOut.has(id) && !testFiles.some(({ text }) => text.includes(id)),
    );
    expect(missing.map(({ id }) => id)).toEqual([]);
  });

  test('names only tests that carry the id of the row', () => {
    const wrong = rows.flatMap(({ id, files }) =>
      files
        .filter((named) => !testFiles.find(({ file }) => file === named)?.text.includes(id))
        .map((file) => `${id}: ${file}`),
    );
    expect(wrong).toEqual([]);
  });
});
