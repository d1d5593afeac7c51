import { clearFieldErrors, field, fillIn, h, showFieldErrors, valueIn, whileBusy } from './dom.js';
import { settings } from './settings.js';

/**
 * https://docs.stripe.com/testing
 * @type {[string, string][]}
 */
const testCards = [
  ['4242 4242 4242 4242', 'pays'],
  ['4000 0000 0000 9995', 'is declined'],
  ['4000 0025 0000 3155', 'needs verification'],
];

/** The field that each of Stripe's error codes is about. */
const fieldsOf = {
  incorrect_number: 'card-number',
  invalid_number: 'card-number',
  invalid_expiry_month: 'card-expiry',
  invalid_expiry_year: 'card-expiry',
  expired_card: 'card-expiry',
  invalid_cvc: 'card-cvc',
  incorrect_cvc: 'card-cvc',
};

/**
 * A card form for the Stripe emulator. The browser sends the card directly to it, with the publishable key and the
 * PaymentIntent's client secret, as Stripe.js does with Stripe.
 * @param {import('./checkout.js').PaymentParts} parts
 * @param {{ apiBase: string, publishableKey: string }} emulator
 */
export function createCardForm({ getIntent, returnUrl, label, onPaid, onChallenge }, emulator) {
  const message = h('p', { class: 'notice bad', role: 'alert', hidden: true });
  const submit = h('button', { type: 'submit', class: 'primary wide' }, label);
  const form = h(
    'form',
    { class: 'card-form', novalidate: true, onsubmit: (event) => void pay(event) },
    field({
      id: 'card-number',
      label: 'Card number',
      inputmode: 'numeric',
      autocomplete: 'cc-number',
      maxlength: 23,
      placeholder: '1234 1234 1234 1234',
    }),
    h(
      'div',
      { class: 'pair' },
      field({
        id: 'card-expiry',
        label: 'Expires (MM/YY)',
        inputmode: 'numeric',
        autocomplete: 'cc-exp',
        maxlength: 7,
        placeholder: 'MM/YY',
      }),
      field({
        id: 'card-cvc',
        label: 'CVC',
        inputmode: 'numeric',
        autocomplete: 'cc-csc',
        maxlength: 4,
        placeholder: '123',
      }),
    ),
    message,
    submit,
    settings.debug && testCardButtons(),
  );

  function testCardButtons() {
    const fill = (number) => {
      const year = new Date().getFullYear() + 3 - 2_000;
      fillIn(form, { 'card-number': number, 'card-expiry': `03/${year}`, 'card-cvc': '333' });
      submit.focus();
    };
    return h(
      'fieldset',
      { class: 'test-cards' },
      h('legend', {}, 'Test cards (DEBUG)'),
      ...testCards.map(([number, outcome]) =>
        h(
          'button',
          { type: 'button', class: 'quiet', onclick: () => fill(number) },
          h('code', {}, number),
          ` ${outcome}`,
        ),
      ),
    );
  }

  async function pay(event) {
    event.preventDefault();
    await whileBusy(submit, async () => {
      clearFieldErrors(form);
      message.hidden = true;
      try {
        const card = readCard(form);
        if (!card) return;
        const intent = await confirm(emulator, await getIntent(), card, returnUrl);
        const url = intent.next_action?.redirect_to_url?.url;
        if (intent.status === 'requires_action' && url) onChallenge(url);
        else onPaid(intent.status);
      } catch (error) {
        const id = fieldsOf[error.code];
        if (id && showFieldErrors(form, [{ field: id, message: error.message }])) return;
        message.textContent = error.message;
        message.hidden = false;
      }
    });
  }
  return form;
}

/** The card as typed; undefined when a field is invalid, which then says why. */
function readCard(form) {
  const value = (id) => valueIn(form, id).trim();
  const number = value('card-number').replace(/[\s-]/g, '');
  const expiry = /^(\d{1,2})\s*\/?\s*(\d{2}|\d{4})$/.exec(value('card-expiry'));
  const errors = [
    !/^\d{12,19}$/.test(number) && { field: 'card-number', message: 'Enter the card number.' },
    !expiry && { field: 'card-expiry', message: 'Enter month and year, e.g. 03/29.' },
    !/^\d{3,4}$/.test(value('card-cvc')) && { field: 'card-cvc', message: 'Enter the 3 or 4 digits.' },
  ].filter((error) => error !== false);
  if (showFieldErrors(form, errors) || !expiry) return undefined;
  return { number, exp_month: expiry[1], exp_year: expiry[2], cvc: value('card-cvc') };
}

/**
 * Confirms the PaymentIntent (https://docs.stripe.com/api/payment_intents/confirm).
 * @throws Error with a message for the guest, and Stripe's `code`
 */
async function confirm({ apiBase, publishableKey }, intent, card, returnUrl) {
  const body = new URLSearchParams({ client_secret: intent.client_secret, return_url: returnUrl });
  body.set('payment_method_data[type]', 'card');
  for (const [name, value] of Object.entries(card)) body.set(`payment_method_data[card][${name}]`, value);
  const url = `${apiBase}/v1/payment_intents/${intent.payment_intent_id}/confirm`;
  const headers = { Authorization: `Bearer ${publishableKey}` };
  let response;
  try {
    response = await fetch(url, { method: 'POST', headers, body });
  } catch {
    throw new Error(
      'The payment service cannot be reached. You have probably not been charged; check your booking before you try again.',
    );
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const { message = 'The payment service refused the card.', code } = answer.error ?? {};
  throw Object.assign(new Error(message), { code });
}
