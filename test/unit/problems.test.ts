import { describe, expect, test } from 'vitest';
import { fieldProblem, Problem, problems, type ProblemCode } from '../../domain/problems.ts';

describe('the catalogue of refusals', () => {
  test.each(Object.entries(problems))('%s', (code, { status, title }) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title).toMatch(/\.$/);
    expect(new Problem(code as ProblemCode)).toMatchObject({ code, status, title, message: title });
  });

  test('a fault of a field names the field, and its detail is the message', () => {
    const problem = fieldProblem('off_grid', 'start_time', 'Slots are 30 minutes long.');
    expect(problem).toBeInstanceOf(Error);
    expect(problem.message).toBe('Slots are 30 minutes long.');
    expect(problem.extras.errors).toEqual([{ field: 'start_time', message: 'Slots are 30 minutes long.' }]);
  });

  // Clients rely on these texts and statuses.
  test('titles and statuses that clients rely on', () => {
    expect(problems.staff_only.title).toBe('Permission denied. Admin access required.');
    expect(problems.slot_taken.status).toBe(409);
    expect(problems.booking_not_found.status).toBe(404);
  });
});
