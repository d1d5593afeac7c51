import { createHash } from 'node:crypto';
import { chownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runTool } from '../run-tool.ts';
import { SetupProblem } from '../setup-problem.ts';

/** Where a cluster lives and who runs it. `user` is set only when we are root, which Postgres refuses to run as. */
export interface PostgresHome {
  dir: string;
  user: { uid: number; gid: number; name: string } | undefined;
}

/**
 * Decides the folder and the user of the cluster. Root hands it to the system's user `postgres`, else `nobody`; when that
 * user cannot enter dataDir (a folder under /root, say) the cluster goes to /var/lib instead, and `log` says so.
 */
export async function choosePostgresHome(
  dataDir: string,
  log: (line: string) => void,
): Promise<PostgresHome> {
  const wanted = join(dataDir, 'postgres');
  mkdirSync(wanted, { recursive: true });
  if (process.getuid?.() !== 0) return { dir: wanted, user: undefined };

  const user = (await findUser('postgres')) ?? (await findUser('nobody'));
  if (!user) {
    throw new SetupProblem(
      'Postgres does not run as root, and there is no user postgres or nobody: start as an ordinary user, or set DATABASE_URL.',
    );
  }
  if (await canEnter(wanted, user)) return { dir: wanted, user };
  const id = createHash('sha256').update(dataDir).digest('hex').slice(0, 8);
  const dir = `/var/lib/booking-service/${basename(dataDir).replace(/^\./, '')}-${id}`;
  mkdirSync(dir, { recursive: true });
  log(`Postgres: the user ${user.name} cannot enter ${dataDir}, so its data is in ${dir}`);
  return { dir, user };
}

async function findUser(name: string): Promise<PostgresHome['user']> {
  const [uid, gid] = await Promise.all([runTool('id', ['-u', name]), runTool('id', ['-g', name])]);
  if (uid.code !== 0 || gid.code !== 0) return undefined;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout), name };
}

/** Checks as that user, since permissions of parent folders, groups and access lists all count. */
export async function canEnter(dir: string, user: { uid: number; gid: number }): Promise<boolean> {
  const { code } = await runTool('/bin/sh', ['-c', 'cd "$1"', 'sh', dir], { ...user, cwd: '/' });
  return code === 0;
}

/** Makes the user the owner of a directory and its contents, unless that is so already. */
export function handOver(dir: string, { uid, gid }: { uid: number; gid: number }): void {
  if (lstatSync(dir).uid === uid) return;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) handOver(path, { uid, gid });
    else chownSync(path, uid, gid);
  }
  chownSync(dir, uid, gid);
}

/** Spawn options that run a process as that user. */
export function identityFor({ user }: PostgresHome): { uid: number; gid: number } | undefined {
  return user && { uid: user.uid, gid: user.gid };
}
