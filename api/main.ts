import { ConfigError, loadConfig } from '../config.ts';
import { createProcessLog } from '../log.ts';
import { endInOrder } from '../process-end.ts';
import { startServer } from './server.ts';

/** What a stop may take beyond the time in which a load balancer notices: to drain, and to let go of everything. */
const stopMs = 20_000;

/** The API process. SIGINT and SIGTERM drain it; an unexpected error ends it, and its supervisor starts it anew. */
async function main(): Promise<void> {
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

/** Why it cannot listen, in words; the error itself when it is of another kind. */
function explain(error: NodeJS.ErrnoException): unknown {
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
  console.error(explain(error));
  process.exit(1);
});
