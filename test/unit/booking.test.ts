import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bookingStatuses, type CancelRules, judgeCancel } from '../../domain/booking.ts';

const hourMs = 3_600_000;
const now = new Date('2030-06-01T12:00:00Z');
const ahead = (hours: number) => new Date(now.getTime() + hours * hourMs);
const guest = { now, freeCancelHours: 24, byStaff: false, refundAsked: false, seenAsHold: false };

describe('may a booking be cancelled, and does its money go back', () => {
  const yes = { allowed: true, refund: true };
  const kept = { allowed: true, refund: false };
  const begun = { allowed: false, reason: 'already_started' };
  const over = { allowed: false, reason: 'not_cancellable' };

  test.each<[string, Partial<CancelRules>, object]>([
    ['a hold', { status: 'pending', startsAt: ahead(1) }, yes],
    ['a hold whose start has passed', { status: 'pending', startsAt: ahead(-1) }, yes],
    ['a stay long before', { status: 'confirmed', startsAt: ahead(240) }, yes],
    ['a stay exactly at the limit', { status: 'confirmed', startsAt: ahead(24) }, yes],
    ['a stay a millisecond too late', { status: 'confirmed', startsAt: new Date(+ahead(24) - 1) }, kept],
    ['a stay that begins now', { status: 'confirmed', startsAt: now }, begun],
    ['a stay that has begun', { status: 'confirmed', startsAt: ahead(-1) }, begun],
    ['a stay with no free hours', { status: 'confirmed', startsAt: ahead(0.01), freeCancelHours: 0 }, yes],
    ['staff, a stay too late', { status: 'confirmed', startsAt: ahead(1), byStaff: true }, kept],
    [
      'staff, asking for the money',
      { status: 'confirmed', startsAt: ahead(1), byStaff: true, refundAsked: true },
      yes,
    ],
    ['staff, a stay that has begun', { status: 'confirmed', startsAt: ahead(-1), byStaff: true }, kept],
    [
      'a guest who asks for the money like staff',
      { status: 'confirmed', startsAt: ahead(1), refundAsked: true },
      kept,
    ],
    [
      'a hold that was paid as it was cancelled',
      { status: 'confirmed', startsAt: ahead(1), seenAsHold: true },
      yes,
    ],
    ['an expired hold', { status: 'expired', startsAt: ahead(240) }, over],
    ['a cancelled booking', { status: 'cancelled', startsAt: ahead(240) }, over],
    ['a completed stay, by staff', { status: 'completed', startsAt: ahead(-240), byStaff: true }, over],
  ])('%s', (_, rules, verdict) => {
    expect(judgeCancel({ ...guest, status: 'pending', startsAt: now, ...rules })).toEqual(verdict);
  });

  test('staff may do whatever a guest may, and never gives back less', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...bookingStatuses),
        fc.integer({ min: -500, max: 500 }),
        fc.integer({ min: 0, max: 200 }),
        (status, hours, freeCancelHours) => {
          const rules = { ...guest, status, startsAt: ahead(hours), freeCancelHours };
          const asGuest = judgeCancel(rules);
          const asStaff = judgeCancel({ ...rules, byStaff: true, refundAsked: true });
          if (asGuest.allowed) expect(asStaff).toMatchObject({ allowed: true });
          if (asGuest.allowed && asGuest.refund) expect(asStaff).toEqual({ allowed: true, refund: true });
        },
      ),
    );
  });
});
