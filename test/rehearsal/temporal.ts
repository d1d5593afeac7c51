import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import getPort, { portNumbers } from 'get-port';
import { withClient } from '../../dev/databases.ts';
import { listens, loopback } from '../../dev/ports.ts';
import { bareEnvironment } from '../../dev/processes/node-process.ts';
import type { ProcessSpec, RunningProcess } from '../../dev/processes.ts';
import { projectDir } from '../../dev/project-dir.ts';
import type { Stack as Processes } from '../../dev/stack.ts';
import { until } from '../../dev/until.ts';
import { interpolate, readCompose } from '../compose-kit.ts';
import type { Tools } from './tools.ts';

const namespace = 'default';

interface ClusterOptions {
  /** Of the superuser. */
  postgresUrl: string;
  processes: Processes;
  tools: Tools;
}

/**
 * A Temporal server on Postgres, set up by the scripts of ops/temporal and with the settings of docker-compose.yml, on
 * free ports of this machine.
 */
export async function startTemporalCluster({ postgresUrl, processes, tools }: ClusterOptions) {
  const workDir = join(processes.dataDir, 'temporal');
  mkdirSync(workDir, { recursive: true });
  const password = randomBytes(24).toString('hex');
  const postgres = new URL(postgresUrl);
  await makeDatabases(postgresUrl, password);
  const environment = bareEnvironment();
  await processes.processes.run({
    name: 'temporal-schema',
    command: '/bin/sh',
    args: [join(projectDir, 'ops/temporal/set-up-schema.sh')],
    env: {
      PATH: `${dirname(tools.temporalSqlTool)}:${environment['PATH']}`,
      SQL_HOST: loopback,
      SQL_PORT: postgres.port,
      SQL_PASSWORD: password,
    },
  });

  const port = await findSmallPort();
  const address = `${loopback}:${port}`;
  const server: ProcessSpec = {
    name: 'temporal',
    command: tools.temporalServer,
    args: ['start'],
    cwd: workDir,
    env: { ...environment, ...(await serverSettings(port, postgres.port, password)) },
    stopSteps: [
      { signal: 'SIGTERM', waitMs: 30_000 },
      { signal: 'SIGKILL', waitMs: 5_000 },
    ],
    ready: (_, starting) => until('temporal', () => listens(loopback, port), starting),
  };
  let running: RunningProcess = await processes.processes.start(server);
  await processes.processes.run({
    name: 'temporal-namespace',
    command: '/bin/sh',
    args: [join(projectDir, 'ops/temporal/set-up-namespace.sh')],
    env: {
      PATH: `${dirname(tools.temporal)}:${environment['PATH']}`,
      HOME: workDir,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
    },
  });

  return {
    address,
    namespace,
    pid: () => running.pid(),
    /** Stops it in an orderly way; only `start` starts it again. */
    stop: () => running.stop(),
    /** Resolves when it listens, which is before it serves. */
    async start(): Promise<void> {
      running = await processes.processes.start(server);
    },
  };
}

export type TemporalCluster = Awaited<ReturnType<typeof startTemporalCluster>>;

/** A free port that fits Temporal's schema, which keeps the ports of its members as `smallint`. */
const findSmallPort = () => getPort({ host: loopback, port: portNumbers(20_000, 32_000) });

/** As ops/postgres/init.sh does in the image of Postgres. */
async function makeDatabases(postgresUrl: string, password: string): Promise<void> {
  await withClient(postgresUrl, async (client) => {
    await client.query(`create role temporal login password '${password}'`);
    for (const name of ['temporal', 'temporal_visibility'])
      await client.query(`create database ${name} owner temporal`);
  });
}

/** The settings of the service `temporal` in docker-compose.yml, but for where things are. */
async function serverSettings(
  port: number,
  postgresPort: string,
  password: string,
): Promise<Record<string, string>> {
  const composed = Object.entries(
    readCompose('docker-compose.yml').services['temporal']?.environment ?? {},
  ).map(([name, value]) => [name, interpolate(String(value ?? ''), { TEMPORAL_DB_PASSWORD: password })]);
  const ports: Record<string, string> = { FRONTEND_GRPC_PORT: String(port) };
  for (const name of [
    'FRONTEND_HTTP_PORT',
    ...['FRONTEND', 'HISTORY', 'MATCHING', 'WORKER'].map((role) => `${role}_MEMBERSHIP_PORT`),
    ...['HISTORY', 'MATCHING', 'WORKER'].map((role) => `${role}_GRPC_PORT`),
  ])
    ports[name] = String(await findSmallPort());
  return {
    ...Object.fromEntries(composed),
    POSTGRES_SEEDS: loopback,
    DB_PORT: postgresPort,
    BIND_ON_IP: loopback,
    DYNAMIC_CONFIG_FILE_PATH: join(projectDir, 'ops/temporal/dynamic-config.yaml'),
    ...ports,
  };
}
