import { h, whileBusy } from './dom.js';

/** @type {Promise<any> | null} */
let loading = null;

/** Loads Stripe.js from Stripe; it must not be served from elsewhere (https://docs.stripe.com/js/including). */
function loadStripe(publishableKey) {
  loading ??= new Promise((resolve, reject) => {
    const onload = () => resolve(globalThis.Stripe(publishableKey));
    const onerror = () => {
      loading = null;
      reject(new Error('Stripe’s payment form cannot be loaded. Check your connection and try again.'));
    };
    document.head.append(h('script', { src: 'https://js.stripe.com/clover/stripe.js', onload, onerror }));
  });
  return loading;
}

/**
 * Stripe's Payment Element (https://docs.stripe.com/payments/payment-element); it handles 3-D Secure by itself.
 * @param {import('./checkout.js').PaymentParts} parts
 * @param {string} publishableKey
 */
export function createStripeForm({ getIntent, returnUrl, label, onPaid }, publishableKey) {
  const place = h('div', { class: 'stripe' }, h('p', { class: 'hint' }, 'Loading the payment form …'));
  const message = h('p', { class: 'notice bad', role: 'alert', hidden: true });
  const submit = h('button', { type: 'submit', class: 'primary wide', disabled: true }, label);
  const form = h(
    'form',
    { class: 'card-form', onsubmit: (event) => void pay(event) },
    place,
    message,
    submit,
  );
  let stripe;
  let elements;

  function say(text) {
    message.textContent = text;
    message.hidden = false;
  }

  async function prepare() {
    try {
      const [loaded, intent] = await Promise.all([loadStripe(publishableKey), getIntent()]);
      stripe = loaded;
      const dark = matchMedia('(prefers-color-scheme: dark)').matches;
      const appearance = { theme: dark ? 'night' : 'stripe', variables: { colorPrimary: '#1f5f5b' } };
      elements = stripe.elements({ clientSecret: intent.client_secret, appearance });
      place.replaceChildren();
      elements.create('payment').mount(place);
      submit.disabled = false;
    } catch (error) {
      place.replaceChildren(
        h('button', { type: 'button', class: 'quiet', onclick: () => void prepare() }, 'Try again'),
      );
      say(error.message);
    }
  }

  async function pay(event) {
    event.preventDefault();
    await whileBusy(submit, async () => {
      message.hidden = true;
      const confirmParams = { return_url: returnUrl };
      const { error, paymentIntent } = await stripe.confirmPayment({
        elements,
        confirmParams,
        redirect: 'if_required',
      });
      if (error) say(error.message ?? 'The payment did not go through.');
      else onPaid(paymentIntent.status);
    });
  }

  void prepare();
  return form;
}
