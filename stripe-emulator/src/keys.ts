/**
 * The emulator's keys: fixed, since they guard nothing, and shaped like Stripe's so that every check accepts them.
 * A service should refuse whatever ends in `_emulator` in production: everybody knows these.
 */
export const emulatorKeys = {
  STRIPE_SECRET_KEY: 'sk_test_emulator',
  STRIPE_PUBLISHABLE_KEY: 'pk_test_emulator',
  STRIPE_WEBHOOK_SECRET: 'whsec_emulator',
};

/** Where the emulator listens unless DEV_STRIPE_PORT says otherwise. */
export const emulatorPort = 14_242;
