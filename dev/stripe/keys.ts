/** The emulator's keys: fixed, since they guard nothing, and shaped like Stripe's so that every check accepts them. */
export const emulatorKeys = {
  STRIPE_SECRET_KEY: 'sk_test_emulator',
  STRIPE_PUBLISHABLE_KEY: 'pk_test_emulator',
  STRIPE_WEBHOOK_SECRET: 'whsec_emulator',
};
