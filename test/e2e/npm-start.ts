import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../dev/ports.ts';
import { endProcess, isRunning, type ProcessIdentity, startTimeOf } from '../../dev/processes/identity.ts';
import { createProcessRecord, type Recorded } from '../../dev/processes/record.ts';
import { startWatchdog } from '../../dev/processes/watchdog.ts';
import { projectDir } from '../../dev/project-dir.ts';

const pollMs = 50;

/** A simulated machine: a data directory and five free ports. `npm start` runs on it as a person would run it. */
export async function createMachine() {
  const dir = mkdtempSync(join(tmpdir(), 'booking-e2e-'));
  chmodSync(dir, 0o755); // Postgres may run as another user.
  const dataDir = join(dir, 'data');
  const record = createProcessRecord(join(dir, 'started'));
  const dismissWatchdog = startWatchdog(record.file, dir);
  const started: Recorded[] = [];
  const ports = {
    PORT: await findFreePort(),
    DEV_TEMPORAL_UI_PORT: await findFreePort(),
    DEV_TEMPORAL_PORT: await findFreePort(),
    DEV_POSTGRES_PORT: await findFreePort(),
    DEV_STRIPE_PORT: await findFreePort(),
  };
  const portSettings = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]));
  // Settings of the person who runs the tests (environment or .env) must have no effect here.
  const external = {
    DATABASE_URL: '',
    MIGRATE_DATABASE_URL: '',
    TEMPORAL_ADDRESS: '',
    STRIPE_SECRET_KEY: '',
  };

  return {
    dataDir,
    apiUrl: `http://127.0.0.1:${ports.PORT}`,
    ports,

    /** Runs `npm start`. */
    start(settings: Record<string, string> = {}) {
      const own = { ...external, DATA_DIR: dataDir, ...portSettings, ...settings };
      const env = { ...process.env, ...own };
      const child = spawn('npm', ['start'], {
        cwd: projectDir,
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const identity = { pid: child.pid ?? 0, startedAt: startTimeOf(child.pid ?? 0) ?? '' };
      started.push({ name: 'npm start', ...identity, stopSteps: [{ signal: 'SIGTERM', waitMs: 20_000 }] });
      record.write(started);
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes));
      const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
      return {
        exitCode,
        output: () => output,
        /** Waits for a text; throws, with the whole output, when npm start ends without it. */
        async says(text: string): Promise<void> {
          while (!output.includes(text)) {
            if (child.exitCode !== null)
              throw new Error(`npm start ended without saying "${text}":\n${output}`);
            await sleep(pollMs);
          }
        },
        kill: (signal: NodeJS.Signals) => child.kill(signal),
      };
    },

    /** What runs now, by name: api, worker, stripe, temporal, postgres. */
    services: () => readServices(dataDir),

    /** Resolves when nothing that was started with our data directory runs any more; throws the names of what does. */
    async becomesEmpty(waitMs: number): Promise<void> {
      const deadline = Date.now() + waitMs;
      for (let left = processesWith(dataDir); left.length > 0; left = processesWith(dataDir)) {
        if (Date.now() > deadline) throw new Error(`still running: ${left.join('; ')}`);
        await sleep(pollMs);
      }
    },

    async remove(): Promise<void> {
      for (const process of started) await endProcess(process, process.stopSteps);
      record.remove();
      dismissWatchdog();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function readServices(dataDir: string): Map<string, ProcessIdentity> {
  const runDir = join(dataDir, 'run');
  const records = readdirSync(runDir).filter((name) => name.endsWith('.json'));
  const running = records.flatMap((name): Recorded[] => {
    const { processes } = JSON.parse(readFileSync(join(runDir, name), 'utf8'));
    return processes.filter(isRunning);
  });
  return new Map(running.map(({ name, pid, startedAt }) => [name, { pid, startedAt }]));
}

/** Every process that has DATA_DIR in its environment, down to the sessions of Postgres; elsewhere, the known ones. */
function processesWith(dataDir: string): string[] {
  if (process.platform !== 'linux') return [...readServices(dataDir).keys()];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const mine = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`DATA_DIR=${dataDir}`);
      const running = startTimeOf(Number(pid)) !== undefined;
      return mine && running
        ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`]
        : [];
    } catch {
      return []; // The process has ended meanwhile, or belongs to another user.
    }
  });
}

export type Machine = Awaited<ReturnType<typeof createMachine>>;
