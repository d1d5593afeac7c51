import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { isUnavailable, problemOf } from '../../db/errors.ts';
import { classMeanings, conditionMeanings, type Meaning, meaningOf } from '../../db/sqlstates.ts';

/** Every class of Appendix A of PostgreSQL 15 to 18. */
const classes =
  '00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 44 53 54 55 57 58 72 F0 HV P0 XX'.split(
    ' ',
  );

function serverError(code: string, fields: object = {}): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('refused', 7, 'error'), { code, ...fields });
}

describe('SQLSTATEs', () => {
  test('every class of Postgres has a meaning, and nothing else has', () => {
    expect(Object.keys(classMeanings).sort()).toEqual([...classes].sort());
    for (const code of Object.keys(conditionMeanings)) expect(classes).toContain(code.slice(0, 2));
  });

  test.each(classes)(
    'class %s: 503 means later or again, and never a connection that is known to be bad',
    (name) => {
      const meaning = meaningOf(serverError(`${name}000`)) as Meaning;
      expect(meaning).toBeDefined();
      expect(meaning.answer === 'unavailable').toBe(meaning.retry !== 'never');
      const answer = problemOf(serverError(`${name}000`));
      expect(answer?.code === 'database_unavailable').toBe(meaning.answer === 'unavailable');
      if (meaning.answer === 'unavailable') expect(answer?.extras).toHaveProperty('retryAfterSeconds');
    },
  );

  test.each([
    // The connection and what it answers with.
    ['08006', 'replace', 'later', 'unavailable'],
    ['08P01', 'replace', 'later', 'unavailable'],
    ['25006', 'replaceAll', 'later', 'unavailable'],
    ['25P02', 'replace', 'never', 'bug'],
    ['25P03', 'replace', 'later', 'unavailable'],
    ['25P04', 'replace', 'later', 'unavailable'],
    ['26000', 'keep', 'statement', 'unavailable'],
    ['28P01', 'replace', 'later', 'unavailable'],
    ['3D000', 'replace', 'later', 'unavailable'],
    ['40001', 'keep', 'transaction', 'unavailable'],
    ['40003', 'replace', 'later', 'unavailable'],
    ['40P01', 'keep', 'transaction', 'unavailable'],
    ['42P05', 'keep', 'statement', 'unavailable'],
    ['42501', 'keep', 'never', 'bug'],
    ['53100', 'keep', 'later', 'unavailable'],
    ['53200', 'keep', 'later', 'unavailable'],
    ['53300', 'keep', 'later', 'unavailable'],
    ['55P03', 'keep', 'later', 'unavailable'],
    ['57014', 'keep', 'later', 'unavailable'],
    ['57P01', 'replace', 'later', 'unavailable'],
    ['57P02', 'replace', 'later', 'unavailable'],
    ['57P03', 'replace', 'later', 'unavailable'],
    ['57P04', 'replace', 'later', 'unavailable'],
    ['57P05', 'replace', 'later', 'unavailable'],
    ['58030', 'replace', 'later', 'unavailable'],
    ['XX000', 'replace', 'never', 'bug'],
    ['XX001', 'replace', 'never', 'bug'],
    ['22021', 'keep', 'never', 'invalid'],
    ['22P02', 'keep', 'never', 'invalid'],
    ['22012', 'keep', 'never', 'bug'],
    ['23505', 'keep', 'never', 'constraint'],
  ])('%s: %s the connection, repeat %s, answer %s', (code, connection, retry, answer) => {
    expect(meaningOf(serverError(code))).toEqual({ connection, retry, answer });
  });

  test('a plan whose result type changed is known by its source, in any language', () => {
    const german = {
      routine: 'RevalidateCachedQuery',
      message: 'gespeicherter Plan darf den Ergebnistyp nicht ändern',
    };
    const stale = { connection: 'replaceAll', retry: 'statement', answer: 'unavailable' };
    expect(meaningOf(serverError('0A000', german))).toEqual(stale);
    expect(meaningOf(serverError('0A000', { message: 'cached plan must not change result type' }))).toEqual(
      stale,
    );
    expect(meaningOf(serverError('0A000'))?.answer).toBe('bug');
    expect(meaningOf(serverError('42804', { file: 'pl_exec.c' }))?.connection).toBe('replaceAll');
    expect(meaningOf(serverError('42804', { file: 'parse_coerce.c' }))?.answer).toBe('bug');
  });

  test('what is no error of the server’s has no meaning here', () => {
    for (const other of [
      undefined,
      null,
      new Error('x'),
      { code: 'ECONNRESET' },
      { code: 'ERR_X' },
      { code: 23505 },
    ]) {
      expect(meaningOf(other)).toBeUndefined();
    }
    expect(isUnavailable({ code: 'ECONNRESET' })).toBe(true);
    expect(isUnavailable(new TypeError('x'))).toBe(false);
  });
});
