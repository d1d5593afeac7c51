import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { claimPort, loopback, type PortSetting, readPort } from './ports.ts';
import { projectDir } from './project-dir.ts';
import { SetupProblem } from './setup-problem.ts';

/** What `npm start` was told: by the environment first, then by `.env`. An empty value counts as none. */
export interface StartSettings {
  env: NodeJS.ProcessEnv;
  dataDir: string;
  /** Which services are somebody else's, hence not started. */
  external: { postgres: boolean; temporal: boolean; stripe: boolean };
}

export function readStartSettings(): StartSettings {
  const file = join(projectDir, '.env');
  if (existsSync(file)) process.loadEnvFile(file);
  const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
  const dataDir = resolve(projectDir, env.DATA_DIR ?? '.data');
  makeWritable(dataDir);
  return {
    env,
    dataDir,
    external: {
      postgres: env.DATABASE_URL !== undefined,
      temporal: env.TEMPORAL_ADDRESS !== undefined,
      stripe: env.STRIPE_SECRET_KEY !== undefined,
    },
  };
}

function makeWritable(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SetupProblem(`${dataDir} cannot be written to (${code}): set DATA_DIR to a folder of yours.`);
  }
}

export interface Ports {
  api: number;
  postgres: number;
  temporal: number;
  temporalUi: number;
  stripe: number;
}

/**
 * Checks every port before anything starts, those of external services excepted (0).
 * @throws SetupProblem in one line that names the setting of a busy one
 */
export async function claimPorts({ env, external }: StartSettings): Promise<Ports> {
  const claim = (setting: PortSetting, use: string, host = loopback) =>
    claimPort(setting, readPort(env, setting), host, use);
  return {
    api: await claim('PORT', 'the API', env.loopback),
    postgres: external.postgres ? 0 : await claim('DEV_POSTGRES_PORT', 'Postgres'),
    temporal: external.temporal ? 0 : await claim('DEV_TEMPORAL_PORT', 'Temporal'),
    temporalUi: external.temporal ? 0 : await claim('DEV_TEMPORAL_UI_PORT', 'the Temporal UI'),
    stripe: external.stripe ? 0 : await claim('DEV_STRIPE_PORT', 'the Stripe emulator'),
  };
}

/** The key that signs tokens: made once, kept in the data directory, so that a restart logs nobody out. */
export function readSecretKey(dataDir: string): string {
  const file = join(dataDir, 'secret-key');
  if (!existsSync(file)) writeFileSync(file, randomBytes(48).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}
