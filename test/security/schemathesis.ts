import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findOnPath, lastLine, runTool } from '../../dev/run-tool.ts';
import { putInPlace, toolsDir } from '../../dev/tools-dir.ts';

const version = '4.32.5';
const installMs = 300_000;

/**
 * Schemathesis, installed once into the cache of tools, from wheels only: nothing of a package runs while it is
 * installed.
 * @throws Error in one line that says what to install
 */
export async function installSchemathesis(): Promise<{ python: string; dir: string }> {
  const dir = join(toolsDir(), `schemathesis-${version}`);
  const python = findOnPath('python3');
  if (!python) throw new Error('schemathesis needs Python 3.10 or newer: there is no python3 on PATH.');
  if (!existsSync(join(dir, 'schemathesis'))) {
    const pip = ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '--target'];
    await putInPlace(dir, async (target) => {
      const { code, stderr } = await runTool(python, [...pip, target, `schemathesis==${version}`], {
        timeoutMs: installMs,
      });
      if (code === 0) return;
      const noPip = stderr.includes('No module named pip');
      throw new Error(
        noPip
          ? 'schemathesis needs pip (Debian: apt install python3-pip).'
          : `pip could not install schemathesis ${version}: ${/ERROR: (.+)/.exec(stderr)?.[1] ?? lastLine(stderr)}`,
      );
    });
  }
  return { python, dir };
}

export interface SchemathesisRun {
  url: string;
  token: string;
  /** Maximum number of generated requests for each operation and phase. */
  examples: number;
  seed: number;
  /** Only the operations whose path matches (default: all but the logout, after which the token would be invalid). */
  paths?: string;
  timeoutMs: number;
}

/**
 * The operations that may refuse with 400 what fits their schema, for what JSON Schema cannot say: rules between
 * fields (the passwords differ, `date` beside `from`), between a field and the room, the price or the clock, a cursor
 * that was never issued, a signature. Every other operation must take what fits.
 */
const ruled = [
  'POST /api/register/',
  'GET /api/rooms/',
  'GET /api/rooms/{id}/availability/',
  'GET /api/bookings/',
  'GET /api/bookings/all/',
  'POST /api/stripe-webhook/',
];
/** These may also answer 422: the generator sends one Idempotency-Key with several bodies. */
const idempotent = ['POST /api/bookings/', 'POST /api/payment-intent/'];
const usual = '["2xx", 401, 403, 404, 409, 429]';
const settings = [
  `[checks]\npositive_data_acceptance.expected-statuses = ${usual}`,
  ...ruled.map((name) => allowing(name, '["2xx", 400, 401, 403, 404, 409, 429]')),
  ...idempotent.map((name) => allowing(name, '["2xx", 400, 401, 403, 404, 409, 422, 429]')),
].join('\n');

function allowing(name: string, statuses: string): string {
  return `[[operations]]\ninclude-name = "${name}"\nchecks.positive_data_acceptance.expected-statuses = ${statuses}`;
}

/** Runs all checks against `/openapi.json` of a running service. `code` 0: nothing found. */
export async function runSchemathesis(
  run: SchemathesisRun,
): Promise<{ code: number | null; output: string }> {
  const { python, dir } = await installSchemathesis();
  const cwd = mkdtempSync(join(tmpdir(), 'schemathesis-'));
  try {
    writeFileSync(join(cwd, 'schemathesis.toml'), settings);
    const args = [
      join(dir, 'bin', 'schemathesis'),
      ...['--no-color', 'run', `${run.url}/openapi.json`, '--checks', 'all', '--continue-on-failure'],
      ...['--max-examples', String(run.examples), '--seed', String(run.seed)],
      ...['--generation-database', 'none', '--workers', '1', '--request-timeout', '15'],
      ...['--include-path-regex', run.paths ?? '^(?!/api/logout/)'],
      ...['--suppress-health-check', 'all', '--header', `Authorization: Bearer ${run.token}`],
    ];
    const { code, stdout, stderr } = await runTool(python, args, {
      cwd,
      timeoutMs: run.timeoutMs,
      env: { ...process.env, PYTHONPATH: dir, PYTHONDONTWRITEBYTECODE: '1' },
    });
    return { code, output: `${stdout}\n${stderr}` };
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
