import { join } from 'node:path';
import { startStripe } from './index.ts';
import { emulatorPort } from './keys.ts';

/**
 * Runs the emulator as a process. Environment: `DEV_STRIPE_HOST` (127.0.0.1), `DEV_STRIPE_PORT` (14242),
 * `STRIPE_BROWSER_BASE` (where it listens), `STRIPE_WEBHOOK_URL` (none), `DATA_DIR` (.data), where it keeps
 * `stripe.jsonl`. Prints one line when it is ready; SIGTERM and SIGINT stop it.
 */
async function main(): Promise<void> {
  const { DEV_STRIPE_HOST, DEV_STRIPE_PORT, STRIPE_BROWSER_BASE, STRIPE_WEBHOOK_URL, DATA_DIR } = process.env;
  const emulator = await startStripe({
    ...(DEV_STRIPE_HOST ? { host: DEV_STRIPE_HOST } : {}),
    port: Number(DEV_STRIPE_PORT ?? emulatorPort),
    ...(STRIPE_BROWSER_BASE ? { browserUrl: STRIPE_BROWSER_BASE.replace(/\/+$/, '') } : {}),
    stateFile: join(DATA_DIR ?? '.data', 'stripe.jsonl'),
    ...(STRIPE_WEBHOOK_URL ? { webhookUrl: STRIPE_WEBHOOK_URL } : {}),
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

await main();
