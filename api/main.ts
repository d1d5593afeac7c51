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

main().catch((error: NodeJS.ErrnoException) => {
  const taken =
    error.code === 'EADDRINUSE' && `The address is in use: ${error.message}. Set PORT to a free one.`;
  console.error(error instanceof ConfigError ? error.message : taken || error);
  process.exit(1);
});
