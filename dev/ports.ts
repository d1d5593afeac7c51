import { connect, createServer } from 'node:net';
import { emulatorPort } from 'stripe-emulator';
import { SetupProblem } from './setup-problem.ts';

/** Where `npm start` puts things unless a setting says otherwise. All of them on 127.0.0.1. */
const DEFAULT_PORTS = {
  PORT: 8000,
  DEV_TEMPORAL_UI_PORT: 8233,
  DEV_TEMPORAL_PORT: 17233,
  DEV_POSTGRES_PORT: 15432,
  DEV_STRIPE_PORT: emulatorPort,
} as const;

export type PortSetting = keyof typeof DEFAULT_PORTS;

/** The port that a setting names, or its default. Throws a SetupProblem for anything but 0 … 65535. */
export function readPort(env: NodeJS.ProcessEnv, setting: PortSetting): number {
  const text = env[setting]?.trim();
  if (!text) return DEFAULT_PORTS[setting];
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new SetupProblem(`${setting} is "${text}": it must be a port number.`);
}

/** Binds a port for a moment. Resolves to the port bound, or to the error code (EADDRINUSE, EACCES …). */
function tryPort(port: number, host: string): Promise<number | string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown error'));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}

/** A port that is free now on 127.0.0.1. Nothing reserves it: whoever binds it may have to ask again. */
export async function findFreePort(): Promise<number> {
  const port = await tryPort(0, '127.0.0.1');
  if (typeof port === 'number') return port;
  throw new SetupProblem(`No free port on 127.0.0.1: ${port}.`);
}

/** Returns the setting's port when it can be bound (0: any free one); else throws the one line that says what to set. */
export async function claimPort(
  setting: PortSetting,
  port: number,
  host: string,
  use: string,
): Promise<number> {
  const bound = await tryPort(port, host);
  if (typeof bound === 'number') return bound;
  const why = bound === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${bound})`;
  throw new SetupProblem(
    `Port ${port} (${use}) ${why}: stop what listens there, or set ${setting} to another port.`,
  );
}

/** True when something takes connections there. */
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
