// Makes node_modules match package-lock.json. Plain Node without dependencies, since it runs before there are any.
// `npm start` and `npm test` both begin here; when nothing changed it only compares two hashes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const nodeMin = [20, 19];

const projectDir = fileURLToPath(new URL('..', import.meta.url));
const modulesDir = join(projectDir, 'node_modules');
const stampFile = join(modulesDir, '.installed-for');

/** Says in one line what is wrong with this Node, or returns undefined. */
function nodeProblem() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1])) return undefined;
  return `Node ${nodeMin.join('.')} or newer is needed, and this is ${process.versions.node}: https://nodejs.org`;
}

/** What the installed packages depend on: the lock file, and the platform of the native ones. */
function wantedStamp() {
  const lock = readFileSync(join(projectDir, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}`;
}

/**
 * True when somebody else (an `npm ci` by hand) already installed every locked version.
 * npm writes what it really installed into node_modules/.package-lock.json.
 */
function installedByHand() {
  try {
    const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
    const installed = read(join(modulesDir, '.package-lock.json'));
    return Object.entries(read(join(projectDir, 'package-lock.json'))).every(
      ([path, wanted]) =>
        path === '' || wanted.optional || wanted.peer || installed[path]?.version === wanted.version,
    );
  } catch {
    return false;
  }
}

/** Runs npm with its own progress on the terminal; true when it succeeded. */
function npm(...args) {
  const npmCli = process.env.npm_execpath?.endsWith('npm-cli.js') ? process.env.npm_execpath : undefined;
  const [command, first] = npmCli ? [process.execPath, [npmCli]] : ['npm', []];
  const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
  const result = spawnSync(command, [...first, ...args, ...flags], { cwd: projectDir, stdio: 'inherit' });
  if (result.error) console.error(`npm cannot be started (${result.error.code}): install Node.js with npm.`);
  return result.status === 0;
}

/**
 * Installs what is missing. Returns true when the packages are in place, false after printing one clear line.
 */
export function install() {
  const problem = nodeProblem();
  if (problem) {
    console.error(problem);
    return false;
  }
  const stamp = wantedStamp();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return true;

  if (!installedByHand()) {
    const startedMs = Date.now();
    console.log('Installing the packages of package-lock.json (first start, or they changed) …');
    if (!npm('ci', '--ignore-scripts')) {
      console.error(
        'npm ci failed (its message is above). Trying npm install, which may take other versions than package-lock.json names …',
      );
      if (!npm('install', '--no-save', '--no-package-lock', '--ignore-scripts')) {
        console.error('The packages could not be installed: see the message of npm above, then start again.');
        return false;
      }
    }
    console.log(`Packages installed in ${((Date.now() - startedMs) / 1000).toFixed(1)} s.`);
  }
  writeFileSync(stampFile, stamp);
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = install() ? 0 : 1;
