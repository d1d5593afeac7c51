/** How a card behaves when it is charged. */
export type CardBehaviour =
  | { kind: 'succeed' }
  | { kind: 'decline'; code: string; declineCode?: string; message: string }
  /** 3-D Secure first; what follows if the customer passes. */
  | { kind: 'challenge'; then: CardBehaviour }
  /** Neither paid nor refused until `settleProcessing` of the control says so. */
  | { kind: 'process' }
  /** Paid; refunds of it start as pending. */
  | { kind: 'succeed_with_slow_refunds' }
  /** Paid, then disputed at once. */
  | { kind: 'succeed_then_dispute' };

export interface TestCard {
  number: string;
  brand: string;
  /** The PaymentMethod names that stand for it in requests. */
  names: string[];
  behaviour: CardBehaviour;
}

const succeed: CardBehaviour = { kind: 'succeed' };

function decline(code: string, message: string, declineCode?: string): CardBehaviour {
  return { kind: 'decline', code, message, ...(declineCode ? { declineCode } : {}) };
}

const genericDecline = decline('card_declined', 'Your card was declined.', 'generic_decline');
const insufficientFunds = decline('card_declined', 'Your card has insufficient funds.', 'insufficient_funds');

function visa(number: string, names: string[], behaviour: CardBehaviour): TestCard {
  return { number, brand: 'visa', names, behaviour };
}

/**
 * https://docs.stripe.com/testing. Of each name both spellings in public use are known. `pm_processing`
 * is the emulator's own: with cards, Stripe has no test number that stays in `processing`.
 */
export const testCards: readonly TestCard[] = [
  visa('4242424242424242', ['pm_card_visa'], succeed),
  visa('4000056655665556', ['pm_card_visa_debit'], succeed),
  visa('4012888888881881', [], succeed),
  {
    number: '5555555555554444',
    brand: 'mastercard',
    names: ['pm_card_mastercard'],
    behaviour: succeed,
  },
  { number: '378282246310005', brand: 'amex', names: ['pm_card_amex'], behaviour: succeed },
  visa('4000000000000002', ['pm_card_visa_chargeDeclined', 'pm_card_chargeDeclined'], genericDecline),
  visa(
    '4000000000009995',
    ['pm_card_visa_chargeDeclinedInsufficientFunds', 'pm_card_chargeDeclinedInsufficientFunds'],
    insufficientFunds,
  ),
  visa(
    '4000000000009987',
    ['pm_card_visa_chargeDeclinedLostCard', 'pm_card_chargeDeclinedLostCard'],
    decline('card_declined', 'Your card was declined.', 'lost_card'),
  ),
  visa(
    '4000000000009979',
    ['pm_card_visa_chargeDeclinedStolenCard', 'pm_card_chargeDeclinedStolenCard'],
    decline('card_declined', 'Your card was declined.', 'stolen_card'),
  ),
  visa(
    '4000000000000069',
    ['pm_card_visa_chargeDeclinedExpiredCard', 'pm_card_chargeDeclinedExpiredCard'],
    decline('expired_card', 'Your card has expired.'),
  ),
  visa(
    '4000000000000127',
    ['pm_card_visa_chargeDeclinedIncorrectCvc', 'pm_card_chargeDeclinedIncorrectCvc'],
    decline('incorrect_cvc', "Your card's security code is incorrect."),
  ),
  visa(
    '4000000000000119',
    ['pm_card_visa_chargeDeclinedProcessingError', 'pm_card_chargeDeclinedProcessingError'],
    decline('processing_error', 'An error occurred while processing your card. Try again in a little bit.'),
  ),
  visa('4000002500003155', ['pm_card_authenticationRequiredOnSetup'], { kind: 'challenge', then: succeed }),
  visa('4000002760003184', ['pm_card_authenticationRequired'], { kind: 'challenge', then: succeed }),
  visa('4000000000003220', ['pm_card_threeDSecure2Required'], { kind: 'challenge', then: succeed }),
  visa('4000008260003178', ['pm_card_authenticationRequiredChargeDeclinedInsufficientFunds'], {
    kind: 'challenge',
    then: insufficientFunds,
  }),
  visa('4000008400001629', ['pm_card_threeDSecureRequiredChargeDeclined'], {
    kind: 'challenge',
    then: genericDecline,
  }),
  visa('4000000000000259', ['pm_card_createDispute'], { kind: 'succeed_then_dispute' }),
  visa('4000000000007726', ['pm_card_pendingRefund'], { kind: 'succeed_with_slow_refunds' }),
  visa('processing', ['pm_processing'], { kind: 'process' }),
];

/** A number that passes the Luhn check and is none of Stripe's: a real card, which test mode declines. */
export const realCard = decline(
  'card_declined',
  'Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test cards, visit: https://stripe.com/docs/testing.',
  'test_mode_live_card',
);

/** The check digit of ISO/IEC 7812-1, annex B. */
export function passesLuhn(number: string): boolean {
  let sum = 0;
  for (let place = 0; place < number.length; place++) {
    const digit = Number(number[number.length - 1 - place]);
    const counted = place % 2 === 0 ? digit : digit * 2;
    sum += counted > 9 ? counted - 9 : counted;
  }
  return sum % 10 === 0;
}
