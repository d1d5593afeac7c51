import { expect, test } from 'vitest';
import { judgeRefundRefusal } from '../../core/stripe/refunds.ts';

test.each([
  ['charge_disputed', 'disputed'],
  ['refund_disputed_payment', 'disputed'],
  ['charge_already_refunded', 'differs'],
  ['charge_not_refundable', 'final'],
  ['parameter_missing', 'final'],
  ['balance_insufficient', 'transient'],
  ['insufficient_funds', 'transient'],
  ['resource_missing', 'transient'],
  ['lock_timeout', 'transient'],
  ['a_code_of_tomorrow', 'transient'],
  ['toString', 'transient'],
])('a refund that is refused with %s: %s', (code, meaning) => {
  expect(judgeRefundRefusal({ code })).toBe(meaning);
});

test('an amount that is greater than what is left has no code, and differs from what is known', () => {
  expect(judgeRefundRefusal({ param: 'amount' })).toBe('differs');
  expect(judgeRefundRefusal({})).toBe('transient');
});
