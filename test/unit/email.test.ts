import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalEmail } from '../../domain/email.ts';

describe('one address, one spelling', () => {
  test.each([
    ['Guest@Example.COM', 'guest@example.com'],
    ['  guest@example.com\n', 'guest@example.com'],
    ['guest+tag@example.com', 'guest+tag@example.com'],
    ['g.u.e.s.t@example.com', 'g.u.e.s.t@example.com'],
    ["o'neil@example.co.uk", "o'neil@example.co.uk"],
    ['x@a-b.example', 'x@a-b.example'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('%j is %j', (text, canonical) => {
    expect(canonicalEmail(text)).toBe(canonical);
  });

  test.each([
    ['full-width letters', 'ｇｕｅｓｔ@example.com'],
    ['a full-width @', 'guest＠example.com'],
    ['a dotless ı', 'admın@gmail.com'],
    ['a long ſ', 'gueſt@example.com'],
    ['the Kelvin sign', '\u212Aate@example.com'],
    ['a Cyrillic а', 'аdmin@gmail.com'],
    ['a letter with a combining accent', 'gue\u0301st@example.com'],
    ['a zero-width space', 'gu\u200Best@example.com'],
    ['quotes', '"guest"@example.com'],
    ['a quoted @', '"a@b"@example.com'],
    ['a comment', 'guest(me)@example.com'],
    ['a display name', 'Guest <guest@example.com>'],
    ['a space inside', 'gu est@example.com'],
    ['a line break inside', 'guest@example.com\nbcc: a@b.example'],
    ['a NUL', 'guest\0@example.com'],
    ['no domain', 'guest@'],
    ['no name', '@example.com'],
    ['no @', 'example.com'],
    ['a domain without a dot', 'guest@localhost'],
    ['an address literal', 'guest@[127.0.0.1]'],
    ['an empty label', 'guest@example..com'],
    ['a dot at the end', 'guest@example.com.'],
    ['a label that begins with a hyphen', 'guest@-example.com'],
    ['a label that is too long', `guest@${'a'.repeat(64)}.com`],
    ['a name that is too long', `${'a'.repeat(65)}@example.com`],
    ['more than 254 characters', `guest@${'a.'.repeat(125)}com`],
    ['nothing', ''],
  ])('%s is refused', (_, text) => {
    expect(canonicalEmail(text)).toBeUndefined();
  });

  test('the canonical spelling is its own, lower-case, and what the table takes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.emailAddress(), fc.string({ unit: 'grapheme' })), (text) => {
        const canonical = canonicalEmail(text);
        if (canonical === undefined) return;
        expect(canonicalEmail(canonical)).toBe(canonical);
        expect(canonicalEmail(text.toUpperCase())).toBe(canonical);
        expect(canonical).toMatch(/^[\x21-\x7e]+$/);
        expect(canonical).toBe(canonical.toLowerCase());
      }),
      { numRuns: 500 },
    );
  });

  test('it takes ordinary addresses', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,12}$/);
    fc.assert(
      fc.property(part, part, (name, domain) => {
        expect(canonicalEmail(`${name}@${domain}.example`)).toBe(`${name}@${domain}.example`);
      }),
    );
  });
});
