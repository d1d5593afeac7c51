import { connect } from 'node:net';
import getPort from 'get-port';
import { emulatorPort } from 'stripe-emulator';
import { SetupProblem } from './setup-problem.ts';

/** Every process of `npm start` listens here, unless HOST names another address for the API. */
export const loopback = '127.0.0.1';

/** Default ports of `npm start`. */
const defaultPorts = {
  PORT: 8000,
  DEV_TEMPORAL_UI_PORT: 8233,
  DEV_TEMPORAL_PORT: 17233,
  DEV_POSTGRES_PORT: 15432,
  DEV_STRIPE_PORT: emulatorPort,
} as const;

export type PortSetting = keyof typeof defaultPorts;

/** The port that a setting names, or its default. Throws a SetupProblem for anything but 0 … 65535. */
export function readPort(env: NodeJS.ProcessEnv, setting: PortSetting): number {
  const text = env[setting]?.trim();
  if (!text) return defaultPorts[setting];
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new SetupProblem(`${setting} is "${text}": it must be a port number.`);
}

/** A port that is free now on 127.0.0.1. Nothing reserves it: another process may take it first. */
export const findFreePort = (): Promise<number> => getPort({ host: loopback });

/** Returns the setting's port if it can be bound (0: any free one). @throws SetupProblem in one line that says what to set */
export async function claimPort(
  setting: PortSetting,
  port: number,
  host: string,
  use: string,
): Promise<number> {
  // get-port returns another port if this one is in use, may not be opened, or was just given to another setting.
  const bound = await getPort({ port, host }).catch(
    (error: NodeJS.ErrnoException) => error.code ?? String(error),
  );
  if (port === 0 ? typeof bound === 'number' : bound === port) return Number(bound);
  const why = typeof bound === 'number' ? 'is in use, or may not be opened' : `cannot be opened (${bound})`;
  throw new SetupProblem(
    `Port ${port} (${use}) ${why}: stop what listens there, or set ${setting} to another port.`,
  );
}

/** True when something accepts connections there. */
export function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
