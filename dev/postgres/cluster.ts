import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from '../run-tool.ts';
import { SetupProblem } from '../setup-problem.ts';
import type { PostgresBinaries } from './binaries.ts';
import { handOver, identityFor, type PostgresHome } from './home.ts';
import { type Passwords, superuser } from './roles.ts';

/**
 * The major version that made the cluster; undefined when there is none.
 * @throws SetupProblem when it is another user's: only its owner can open it
 */
export function readMajor(clusterDir: string): number | undefined {
  const owner = statSync(clusterDir, { throwIfNoEntry: false })?.uid;
  if (owner === undefined) return undefined;
  const we = process.getuid?.() ?? 0;
  if (we !== 0 && owner !== we) {
    throw new SetupProblem(
      `${clusterDir} belongs to another user (uid ${owner}): start as that one, or set DATA_DIR to another folder.`,
    );
  }
  return Number.parseInt(readFileSync(join(clusterDir, 'PG_VERSION'), 'utf8'), 10);
}

/** The passwords are generated once and stored beside the cluster, readable by this user only. */
export function readPasswords(home: PostgresHome, clusterExists: boolean): Passwords {
  const file = join(home.dir, 'passwords.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  if (clusterExists)
    throw new SetupProblem(`${file} is missing: put it back, or remove ${home.dir} to start afresh.`);
  const random = () => randomBytes(24).toString('base64url');
  const passwords = { superuser: random(), owner: random(), app: random() };
  writeFileSync(file, JSON.stringify(passwords), { mode: 0o600 });
  return passwords;
}

/** Runs initdb in a temporary folder and renames it: an interrupted run leaves nothing that looks like a cluster. */
export async function makeCluster(
  home: PostgresHome,
  clusterDir: string,
  { binDir }: PostgresBinaries,
  passwords: Passwords,
  sync: boolean,
): Promise<void> {
  const dir = `${clusterDir}.new`;
  const passwordFile = join(dir, 'password');
  const initDir = join(dir, 'data');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(passwordFile, passwords.superuser, { mode: 0o600 });
  if (home.user) handOver(dir, home.user);
  const args = [
    '--pgdata',
    initDir,
    '--username',
    superuser,
    '--pwfile',
    passwordFile,
    '--auth',
    'scram-sha-256',
  ];
  const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';
  args.push('--encoding', 'UTF8', '--locale', locale, '--no-instructions', ...(sync ? [] : ['--no-sync']));
  const { code, stderr } = await runTool(join(binDir, 'initdb'), args, {
    timeoutMs: 120_000,
    cwd: dir,
    ...identityFor(home),
  });
  if (code !== 0) throw new SetupProblem(`initdb failed in ${home.dir}: ${stderr.trim()}`);
  renameSync(initDir, clusterDir);
  rmSync(dir, { recursive: true, force: true });
}
