import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

/** The rows of a page's tables: id, whether it is a must, and the test files that it names. */
function rowsOf(page: string) {
  return read(page)
    .split('\n')
    .flatMap((line) => {
      const [, id, , must, checks] = line.split('|').map((cell) => cell.trim());
      if (!id || !/^[A-Z]{2}-\d\d$/.test(id) || !must || !['must', 'should'].includes(must)) return [];
      return [
        {
          id,
          must: must === 'must',
          checks: [...(checks ?? '').matchAll(/`([^`]+)`/g)].map(([, file]) => file),
        },
      ];
    });
}

describe.each([
  ['docs/reliability.md', 60],
  ['docs/security.md', 40],
])('%s', (page, rowsMin) => {
  const rows = rowsOf(page);

  test('lists its requirements', () => {
    expect(rows.length).toBeGreaterThan(rowsMin);
  });

  test('names only tests that carry the id of the row', () => {
    const wrong = rows.flatMap(({ id, checks }) =>
      checks
        .filter((file) => !existsSync(new URL(`test/${file}`, root)) || !read(`test/${file}`).includes(id))
        .map((file) => `${id}: ${file}`),
    );
    expect(wrong).toEqual([]);
  });

  test('says of every must without a test why', () => {
    const leftOut = read(page).split('## Left out, and why')[1] ?? '';
    const silent = rows.filter(
      ({ id, must, checks }) => must && checks.length === 0 && !leftOut.includes(`| ${id} |`),
    );
    expect(silent.map(({ id }) => id)).toEqual([]);
  });
});
