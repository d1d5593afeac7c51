/** The emulator's keys: fixed, since they guard nothing, and shaped like Stripe's so that every check accepts them. */
export const emulatorKeys = {
  STRIPE_SECRET_KEY: 'sk_test_emulator',
  STRIPE_PUBLISHABLE_KEY: 'pk_test_emulator',
  STRIPE_WEBHOOK_SECRET: 'whsec_emulator',
};

/** Where it listens unless DEV_STRIPE_PORT says otherwise. Here, since its image has nothing of dev/ beside its own. */
export const emulatorPort = 14_242;
