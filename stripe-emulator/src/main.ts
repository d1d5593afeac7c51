import { join } from 'node:path';
import { startStripe } from './index.ts';
import { emulatorKeys, emulatorPort } from './keys.ts';

/**
 * Runs the emulator as a process. Environment: `DEV_STRIPE_HOST` (127.0.0.1), `DEV_STRIPE_PORT` (14242),
 * `STRIPE_BROWSER_BASE` (where it listens), `STRIPE_WEBHOOK_URL` (none), `DATA_DIR` (.data), where it keeps
 * `stripe.jsonl`, and `STRIPE_SECRET_KEY`, `STRIPE_PUBLISHABLE_KEY`, `STRIPE_WEBHOOK_SECRET` (the public ones of
 * keys.ts), which it takes as a service does. Prints one line when it is ready; SIGTERM and SIGINT stop it.
 */
async function main(): Promise<void> {
  const { DEV_STRIPE_HOST, DEV_STRIPE_PORT, STRIPE_BROWSER_BASE, STRIPE_WEBHOOK_URL, DATA_DIR } = process.env;
  const emulator = await startStripe({
    ...(DEV_STRIPE_HOST ? { host: DEV_STRIPE_HOST } : {}),
    port: Number(DEV_STRIPE_PORT ?? emulatorPort),
    ...(STRIPE_BROWSER_BASE ? { browserUrl: STRIPE_BROWSER_BASE.replace(/\/+$/, '') } : {}),
    stateFile: join(DATA_DIR ?? '.data', 'stripe.jsonl'),
    ...(STRIPE_WEBHOOK_URL ? { webhookUrl: STRIPE_WEBHOOK_URL } : {}),
    ...keysFrom(process.env),
    log: (line) => console.error(line),
  });
  console.log(`Stripe emulator ready at ${emulator.url}`);

  let isStopping = false;
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    emulator.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** The keys that are set, an empty one counting as not set, and the public ones for the rest. */
function keysFrom(env: NodeJS.ProcessEnv) {
  const keyOf = (name: keyof typeof emulatorKeys) => env[name] || emulatorKeys[name];
  return {
    keys: { secret: keyOf('STRIPE_SECRET_KEY'), publishable: keyOf('STRIPE_PUBLISHABLE_KEY') },
    // While a secret is being replaced there are several; Stripe signs with all of them, this with the first.
    webhookSecret: keyOf('STRIPE_WEBHOOK_SECRET').split(',')[0] as string,
  };
}

await main();
