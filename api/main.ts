import { pino } from 'pino';
import { ConfigError, loadConfig } from '../config.ts';
import { startServer } from './server.ts';
import { answerToArguments } from '../domain/arguments.ts';

const help = `
npm run api

Runs the API until SIGINT or SIGTERM: HTTP, relay and sweeper. It takes no
arguments, but the settings of .env.example (environment or .env).
`;

/** The API process. SIGINT and SIGTERM drain it; what nobody has foreseen ends it, and the supervisor starts it anew. */
async function main(): Promise<void> {
  const answer = answerToArguments(help, process.argv.slice(2));
  if (answer) {
    (answer.exitCode === 0 ? console.log : console.error)(answer.text);
    process.exit(answer.exitCode);
  }
  const config = loadConfig(process.env);
  const log = pino({ level: config.logLevel, base: { service: 'api' } });
  const server = await startServer(config, log);
  log.info({ port: server.port }, 'api ready');

  let stopping = false;
  const stop = async (code: number) => {
    if (stopping) return;
    stopping = true;
    await server
      .stop({ atOnce: code !== 0 })
      .catch((error) => log.error({ err: error }, 'could not stop in order'));
    log.info('api stopped');
    process.exitCode = code;
    // Whatever is still open after the drain must not keep a dead process alive.
    setTimeout(() => process.exit(code), 1_000).unref();
  };
  process.on('SIGINT', () => void stop(0));
  process.on('SIGTERM', () => void stop(0));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      void stop(1);
    });
  }
}

main().catch((error: NodeJS.ErrnoException) => {
  const taken =
    error.code === 'EADDRINUSE' && `The address is in use: ${error.message}. Set PORT to a free one.`;
  console.error(error instanceof ConfigError ? error.message : taken || error);
  process.exit(1);
});
