import { connectStripeControl, emulatorKeys } from 'stripe-emulator';
import { listens, loopback } from './ports.ts';
import { nodeProcess } from './processes/node-process.ts';
import type { Processes } from './processes.ts';
import { until } from './until.ts';

/** Also as the package itself exports it. */
export * from 'stripe-emulator';

/**
 * Starts the Stripe emulator as a process and resolves once it serves.
 *
 * @param options.env        what the process sees: the bare environment, or all settings (STRIPE_BROWSER_BASE)
 * @param options.dataDir    where it keeps its state
 * @param options.webhookUrl where it sends events; may be set later with `control.setWebhookUrl`
 * @param options.keys       other keys than the public ones, which a service in production form refuses
 */
export async function startStripeProcess(options: {
  processes: Processes;
  port: number;
  dataDir: string;
  env: NodeJS.ProcessEnv;
  webhookUrl?: string;
  keys?: typeof emulatorKeys;
}) {
  const { processes, port, dataDir, env, webhookUrl, keys = emulatorKeys } = options;
  const url = `http://${loopback}:${port}`;
  const running = await processes.start({
    ...nodeProcess({
      name: 'stripe',
      script: 'stripe-emulator/src/main.ts',
      env: {
        ...env,
        ...keys,
        DEV_STRIPE_PORT: String(port),
        DATA_DIR: dataDir,
        ...(webhookUrl && { STRIPE_WEBHOOK_URL: webhookUrl }),
      },
    }),
    ready: (_process, starting) => until('stripe', () => listens(loopback, port), starting),
  });
  return {
    ...running,
    url,
    /** For API and worker. */
    settings: { ...keys, STRIPE_API_BASE: url },
    control: connectStripeControl(url, keys.STRIPE_SECRET_KEY),
  };
}
