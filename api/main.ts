import { ConfigError, loadConfig } from '../config.ts';
import { createProcessLog } from '../log.ts';
import { endInOrder } from '../process-end.ts';
import { startServer } from './server.ts';
import { answerToArguments } from '../program-arguments.ts';

const help = `
npm run api

Runs the API until SIGINT or SIGTERM: HTTP, relay and sweeper. It takes no
arguments, but the settings of .env.example (environment or .env).
`;

/** A stop may take this long to drain and close everything, after the time in which a load balancer notices. */
const stopMs = 20_000;

/** The API process. SIGINT and SIGTERM drain it; an unexpected error ends it, and its supervisor starts it anew. */
async function main(): Promise<void> {
  const answer = answerToArguments(help, process.argv.slice(2));
  if (answer) {
    (answer.exitCode === 0 ? console.log : console.error)(answer.text);
    process.exit(answer.exitCode);
  }
  const config = loadConfig(process.env);
  const processLog = createProcessLog({ level: config.logLevel, service: 'api' });
  const { log, destination } = processLog;
  const server = await startServer(config, log, destination);
  endInOrder(processLog, {
    stop: (options) => server.stop(options),
    stopMaxMs: config.http.shutdownDelayMs + stopMs,
    signals: ['SIGINT', 'SIGTERM'],
  });
  log.info({ port: server.port }, 'api ready');
}

/** The text to print for an error that prevents the start. An unknown error is printed as it is. */
function startupMessage(error: NodeJS.ErrnoException): unknown {
  if (error instanceof ConfigError) return error.message;
  switch (error.code) {
    case 'EADDRINUSE':
      return `The address is in use: ${error.message}. Set PORT to a free one.`;
    case 'EACCES':
      return `PORT: this user may not listen there (${error.message}). Set it to one above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `HOST: no address of this machine (${error.message}).`;
    default:
      return error;
  }
}

main().catch((error: NodeJS.ErrnoException) => {
  console.error(startupMessage(error));
  process.exit(1);
});
